"""All tables of a run are published, or none: whoever comes in between, and whatever another run does."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable

import pyarrow as pa
import pytest
from conftest import Shop
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import BadRequestError, CommitFailedException, NoSuchTableError
from pyiceberg.table import Table
from target_iceberg.admin import positions
from target_iceberg.commit.load import Load
from target_iceberg.commit.publish import RefusedLoadError, together
from target_iceberg.files.orphans import orphans
from target_iceberg.rows.types import iceberg_schema
from target_iceberg.run import IncompleteStreamError
from target_iceberg.state.position import read_position, staged

TABLES = ("items", "orders")
SCHEMA = {"properties": {"id": {"type": "integer"}}}


class Lake:
    """Two tables that belong together, loaded without a tap."""

    def __init__(self, catalog: Catalog, namespace: str) -> None:
        self.catalog, self.namespace = catalog, namespace

    def begin(self, number: int, tables: tuple[str, ...] = TABLES) -> list[Load]:
        """Return prepared loads of one run: a row `number` in each table."""
        run_id, now = str(uuid.uuid4()), dt.datetime.now(dt.UTC)
        loads = []
        for name in tables:
            load = Load(
                self.catalog, self.namespace, name, stream=name, run_id=run_id, loaded_at=now,
                schema=iceberg_schema(name, SCHEMA, ["id"]), start=None,
            )  # fmt: skip
            load.write(pa.record_batch({"id": pa.array([number])}))
            assert load.prepare({"at": number})
            loads.append(load)
        return loads

    def run(self, number: int, tables: tuple[str, ...] = TABLES) -> None:
        together(self.begin(number, tables))

    def table(self, name: str) -> Table:
        return self.catalog.load_table((self.namespace, name))

    def rows(self) -> dict[str, list[int]]:
        """Return what readers see."""
        return {name: sorted(self.table(name).scan().to_arrow()["id"].to_pylist()) for name in TABLES}

    def asked(self) -> dict[str, int]:
        """Return where the tables say they stand, as the next run asks them."""
        return {stream: bookmark["at"] for stream, bookmark in positions(self.catalog, self.namespace).items()}


@pytest.fixture
def lake(catalog: Catalog) -> Lake:
    lake = Lake(catalog, f"raw_{uuid.uuid4().hex[:12]}")
    lake.run(1)
    return lake


def test_staged_rows_are_invisible_and_cost_one_commit_more(lake: Lake) -> None:
    before = {name: len(lake.table(name).metadata.metadata_log) for name in TABLES}
    loads = lake.begin(2)
    for load in loads:
        load.stage("items")
    assert lake.rows() == {"items": [1], "orders": [1]}
    assert lake.asked() == {"items": 1, "orders": 1}, "a run that is not decided counts for nothing"
    for load in loads:
        load.publish()
    assert lake.rows() == {"items": [1, 2], "orders": [1, 2]}
    assert {name: len(lake.table(name).metadata.metadata_log) - count for name, count in before.items()} == {
        "items": 2, "orders": 2,
    }  # fmt: skip


def test_first_load_is_staged_too(catalog: Catalog) -> None:
    """An empty table has no branch that a snapshot could be staged on."""
    lake = Lake(catalog, f"raw_{uuid.uuid4().hex[:12]}")
    loads = lake.begin(1)
    for load in loads:
        load.stage("items")
    assert lake.rows() == {"items": [], "orders": []}
    for load in loads:
        load.publish()
    assert lake.rows() == {"items": [1], "orders": [1]}


def test_next_run_completes_what_was_decided(lake: Lake) -> None:
    first, second = lake.begin(2)
    first.stage("items")
    second.stage("items")
    first.publish()  # and the process dies
    assert lake.rows() == {"items": [1, 2], "orders": [1]}
    assert lake.asked() == {"items": 2, "orders": 2}
    assert lake.rows() == {"items": [1, 2], "orders": [1, 2]}


def test_load_completes_what_was_decided_even_if_nobody_asked(lake: Lake) -> None:
    """Plain `meltano run` does not ask for positions."""
    first, second = lake.begin(2)
    first.stage("items")
    second.stage("items")
    first.publish()
    lake.run(3, ("orders",))
    assert lake.rows() == {"items": [1, 2], "orders": [1, 2, 3]}


def test_run_on_one_table_drops_an_undecided_run_as_a_whole(lake: Lake) -> None:
    """If only the shared table's rows went, the slower run would publish the other half."""
    slow = lake.begin(2)
    for load in slow:
        load.stage("items")
    lake.run(3, ("orders",))
    with pytest.raises(RefusedLoadError, match="two runs at once"):
        slow[0].publish()
    assert lake.rows() == {"items": [1], "orders": [1, 3]}
    assert [staged(lake.table(name).metadata) for name in TABLES] == [[], []]


def test_second_of_two_runs_at_once_is_refused_as_a_whole(lake: Lake) -> None:
    first, second = lake.begin(2), lake.begin(3)
    together(first)
    with pytest.raises(RefusedLoadError, match="two runs at once"):
        together(second)
    assert lake.rows() == {"items": [1, 2], "orders": [1, 2]}
    lake.run(4)
    assert lake.rows() == {"items": [1, 2, 4], "orders": [1, 2, 4]}


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_runs_that_overlap_anywhere_never_leave_half(lake: Lake, steps: int) -> None:
    """The other run comes after one, two or three of the four commits."""
    first = lake.begin(2)
    commits: list[Callable[[], object]] = [
        *(lambda load=load: load.stage("items") for load in first), *(load.publish for load in first),
    ]  # type: ignore[misc]  # fmt: skip
    for commit in commits[:steps]:
        commit()
    lake.run(3)
    for commit in commits[steps:]:
        try:
            commit()
        except RefusedLoadError:
            break
    assert lake.rows()["items"] == lake.rows()["orders"]


def test_failed_table_takes_the_others_back(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the files: nobody would look for those of a load number that was never reached."""
    loads = lake.begin(2)

    def fail(_anchor: str) -> None:
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(loads[1], "stage", fail)
    with pytest.raises(ConnectionError):
        together(loads)
    assert lake.rows() == {"items": [1], "orders": [1]}
    assert staged(lake.table("items").metadata) == []
    lake.run(3)
    assert [orphans(lake.table(name)) for name in TABLES] == [[], []]


def test_maintenance_between_staging_and_publishing_stays(lake: Lake) -> None:
    loads = lake.begin(2)
    for load in loads:
        load.stage("items")
    table = lake.table("items")
    table.overwrite(table.scan().to_arrow())  # as a compaction: the same rows in other files
    rewritten = lake.table("items").current_snapshot()
    for load in loads:
        load.publish()
    assert lake.rows() == {"items": [1, 2], "orders": [1, 2]}
    current = lake.table("items").current_snapshot()
    assert current is not None
    assert rewritten is not None
    assert current.parent_snapshot_id == rewritten.snapshot_id
    assert staged(lake.table("items").metadata) == []
    assert lake.asked() == {"items": 2, "orders": 2}


def test_table_that_was_rolled_back_is_not_published_again(lake: Lake) -> None:
    """Someone went back on purpose; what was current once is no longer staged."""
    before = lake.table("orders").current_snapshot()
    assert before is not None
    lake.run(2)
    lake.table("orders").manage_snapshots().set_current_snapshot(before.snapshot_id).commit()
    assert lake.asked() == {"items": 2, "orders": 1}
    assert lake.rows() == {"items": [1, 2], "orders": [1]}


def test_anchor_that_was_dropped_decides_nothing(lake: Lake) -> None:
    loads = lake.begin(2)
    for load in loads:
        load.stage("items")
    lake.catalog.drop_table((lake.namespace, "items"))
    lake.run(3, ("orders",))
    with pytest.raises(NoSuchTableError):
        lake.table("items")
    assert sorted(lake.table("orders").scan().to_arrow()["id"].to_pylist()) == [1, 3]


def test_conflict_that_a_catalog_calls_a_bad_request_is_retried(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Iceberg's REST server refuses a sequence number that another commit has taken with 400, not 409."""
    commit, rivals = Table._do_commit, [lake.table("items")]

    def race(table: Table, *arguments: object, **options: object) -> None:
        if rivals and table.name()[-1] == "items":
            rival = rivals.pop()
            rival.append(rival.scan().to_arrow())
            raise BadRequestError("Cannot add snapshot with sequence number 2 older than last sequence number 2")
        commit(table, *arguments, **options)

    monkeypatch.setattr("time.sleep", lambda _: None)
    loads = lake.begin(2)
    monkeypatch.setattr(Table, "_do_commit", race)
    together(loads)
    assert lake.rows() == {"items": [1, 1, 2], "orders": [1, 2]}


def test_stream_that_fails_keeps_the_whole_run_back(shop: Shop) -> None:
    """Orders without their items are worse than yesterday's orders with theirs."""
    shop.execute("create table shop.tags (tag text primary key, updated_at timestamptz default now())")
    shop.replicate()
    before = shop.state
    shop.execute("update shop.orders set updated_at = now()", "insert into shop.tags values ('a')")
    lines = shop.extract_lines().splitlines()
    cut = next(number for number, line in enumerate(lines) if '"stream":"tags"' in line and "SCHEMA" in line)
    with pytest.raises(IncompleteStreamError, match=r"stream tags: .*nothing of this run was published"):
        shop.load("\n".join(lines[: cut + 1]))
    assert (shop.count("orders"), shop.count("tags")) == (1000, 0)
    assert shop.state["bookmarks"]["orders"] == before["bookmarks"]["orders"]
    assert read_position(shop.table("orders").metadata) is not None
    shop.replicate()
    assert (shop.count("orders"), shop.count("tags")) == (2000, 1)


def test_clean_up_that_fails_ends_no_other_stream(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is gone while one stream's files are deleted: the others were left undecided, without a state."""
    shop.execute("create table shop.tags (tag text primary key, updated_at timestamptz default now())")
    shop.replicate()
    shop.execute("update shop.orders set updated_at = now()", "insert into shop.tags values ('a')")
    committed = Load.commit_prepared

    def commit(load: Load) -> object:
        if load.stream == "orders":
            raise CommitFailedException("not now")
        return committed(load)

    monkeypatch.setattr(Load, "commit_prepared", commit)
    monkeypatch.setattr(Load, "discard", lambda _: 1 / 0)
    with pytest.raises(IncompleteStreamError, match="stream orders: not now"):
        shop.load(shop.extract_lines(), publish="each")
    assert (shop.count("orders"), shop.count("tags")) == (1000, 1)
    monkeypatch.undo()
    shop.replicate()
    assert (shop.count("orders"), shop.count("tags")) == (2000, 1)


def test_load_report_names_the_published_snapshot(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Dagster shows the snapshot id: it must be the one that readers see."""
    report = tmp_path_factory.mktemp("report") / "report.jsonl"
    monkeypatch.setenv("HEADWATER_LOAD_REPORT", str(report))
    shop.execute("create table shop.tags (tag text primary key)", "insert into shop.tags values ('a')")
    shop.replicate()
    found = {line["stream"]: line["snapshot_id"] for line in map(json.loads, report.read_text().splitlines())}
    for stream, snapshot_id in found.items():
        current = shop.table(stream).current_snapshot()
        assert current is not None
        assert current.snapshot_id == snapshot_id
    assert set(found) == {"orders", "tags"}
