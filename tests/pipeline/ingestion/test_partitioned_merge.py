"""Merging into partitioned tables: a row that moves to another partition is still one row. Read by DuckDB as well."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import reading
from conftest import Shop
from headwater_contracts import Deletes, PartitionField, SortField, Write
from laid_out import Sales, data_files
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, DataFileContent
from pyiceberg.table import Table
from target_iceberg.commit.load import Load
from target_iceberg.files.orphans import held, orphans
from target_iceberg.files.partitioning import Arrangement
from target_iceberg.quarantine.replay import replay
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.types import iceberg_schema
from test_replay import Pets as Priced

PROPERTIES: dict[str, Any] = {
    "id": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "seen": {"type": ["string", "null"], "format": "date-time"},
    "_sdc_deleted_at": {"type": ["string", "null"], "format": "date-time"},
}
TIME = pa.timestamp("us", "UTC")
ARROW = pa.schema([("id", pa.int64()), ("name", pa.string()), ("seen", TIME), ("_sdc_deleted_at", TIME)])
BY_MONTH = "partition: [month(seen)]\nsort: [name desc]"


def pet(key: int, name: str, month: int | None, *, deleted: bool = False) -> dict[str, Any]:
    """Return a row; `month` counts from January 2026."""
    seen = None if month is None else dt.datetime(2026 + month // 12, 1 + month % 12, 5, tzinfo=dt.UTC)
    return {"id": key, "name": name, "seen": seen, "_sdc_deleted_at": seen if deleted else None}


class Pets(Sales):
    """A merged stream."""

    deletes = "hard"

    def merge(self, *rows: dict[str, Any], layout: str = BY_MONTH, complete: bool = False) -> None:
        contract = f"write: merge\ndeletes: {self.deletes}\n{layout}"
        self.load(contract, rows, complete=complete, properties=PROPERTIES, schema=ARROW)

    def rows(self) -> dict[int, tuple[str, int | None]]:
        """Return name and month of each key, as DuckDB reads them. Fails if a key has two rows."""
        found = reading.rows(self.table, "id", "name", "seen")
        assert len({key for key, *_ in found}) == len(found), f"a key has several rows: {found}"
        return {
            key: (name, None if seen is None else (seen.year - 2026) * 12 + seen.month - 1)
            for key, name, seen in found
        }  # fmt: skip


@pytest.fixture
def pets(new_shop: Callable[[], Shop], request: pytest.FixtureRequest) -> Pets:
    pets = Pets(new_shop())
    pets.deletes = getattr(request, "param", "hard")
    return pets


def deletes(table: Table, content: DataFileContent) -> list[DataFile]:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    entries = [entry for each in snapshot.manifests(table.io) for entry in each.fetch_manifest_entry(table.io)]
    return [entry.data_file for entry in entries if entry.data_file.content == content]


def test_row_that_moves_to_another_partition_replaces_the_old_one(pets: Pets) -> None:
    """Equality deletes of a partition do not reach the others: January's row would stay beside February's."""
    pets.merge(pet(1, "Ada", 0), pet(2, "Bo", 0), pet(3, "Cy", 1), pet(4, "Di", None))
    assert len(data_files(pets.table)) == 3
    pets.merge(pet(1, "Ada", 1), pet(3, "Cy", None), pet(4, "Di", 0), pet(2, "gone", 5, deleted=True))
    assert pets.rows() == {1: ("Ada", 1), 3: ("Cy", None), 4: ("Di", 0)}
    (file,) = deletes(pets.table, DataFileContent.EQUALITY_DELETES)
    assert pets.table.specs()[file.spec_id].is_unpartitioned(), "for rows of every partition"
    for month, keys in ((0, [4]), (1, [1])):
        start, end = (pet(0, "", each)["seen"] for each in (month, month + 1))
        found = reading.rows(pets.table, "id", where=f"seen >= '{start}' and seen < '{end}'")
        assert [key for (key,) in found] == keys


def test_versions_of_one_load_in_several_partitions_and_out_of_order(pets: Pets) -> None:
    """Rows are sorted before they are written: which of them came last must not be judged by where they are."""
    pets.merge(pet(1, "old", 3))
    pets.merge(
        pet(1, "a", 0), pet(2, "z", 0), pet(1, "m", 0), pet(2, "b", 1), pet(3, "n", 2), pet(3, "", 2, deleted=True),
        pet(1, "k", 1), pet(2, "c", 0), pet(4, "x", 1), pet(4, "a", 1),
    )  # fmt: skip
    assert pets.rows() == {1: ("k", 1), 2: ("c", 0), 4: ("a", 1)}
    positions = deletes(pets.table, DataFileContent.POSITION_DELETES)
    by_path = {file.file_path: (file.spec_id, file.partition) for file in data_files(pets.table)}
    assert len(positions) == 3
    assert {(each.spec_id, each.partition) for each in positions} <= set(by_path.values())


@pytest.mark.parametrize("pets", ["hard", "soft", "keep"], indirect=True)
def test_complete_read_of_a_partitioned_table(pets: Pets) -> None:
    """Rows that are gone are looked for under every partition and spec, and kept in theirs; pyiceberg reads it then."""
    pets.merge(pet(1, "a", 0), pet(2, "b", 1), layout="")
    pets.merge(pet(3, "c", 2), pet(1, "a2", 2))
    pets.merge(pet(2, "b2", 0), pet(4, "d", None))
    pets.merge(pet(1, "one", 3), complete=True)
    expected = {1: ("one", 3)} | ({} if pets.deletes == "hard" else {2: ("b2", 0), 3: ("c", 2), 4: ("d", None)})
    assert pets.rows() == expected
    assert deletes(pets.table, DataFileContent.EQUALITY_DELETES) == []
    scanned = pets.table.scan(row_filter="seen < '2026-04-01T00:00:00+00:00'").to_arrow()
    assert sorted(scanned["id"].to_pylist()) == sorted(key for key, (_, month) in expected.items() if month in {0, 2})
    assert len(pets.table.scan().to_arrow()) == len(expected)
    pets.merge(pet(4, "again", 7))
    assert pets.rows()[4] == ("again", 7)


@pytest.mark.parametrize("pets", ["soft"], indirect=True)
def test_soft_deletion_that_tells_the_key_only_finds_the_row_in_its_partition(pets: Pets) -> None:
    pets.merge(pet(1, "a", 0), pet(2, "b", 1))
    pets.merge(pet(2, "b", 4))
    pets.merge({"id": 2, "name": None, "seen": None, "_sdc_deleted_at": dt.datetime(2026, 9, 1, tzinfo=dt.UTC)})
    assert pets.rows() == {1: ("a", 0), 2: ("b", 4)}
    assert [key for (key,) in reading.rows(pets.table, "id", where="_sdc_deleted_at is not null")] == [2]


def test_merges_at_random_while_the_layout_changes(pets: Pets) -> None:
    """Keys move among partitions, come several times a load, go, and come back, under one spec after the other."""
    chosen = random.Random(11)
    alive: dict[int, tuple[str, int | None]] = {}
    by_name = "partition: ['truncate(1, name)', year(seen)]"
    layouts = [BY_MONTH, BY_MONTH, "partition: ['bucket(3, id)']", by_name, "partition: []"]
    for number, layout in enumerate(layouts):
        rows = []
        for _ in range(40):
            key, month = chosen.randrange(25), chosen.choice([None, 0, 1, 2, 14])
            name = f"{chosen.choice('abc')}{number}"
            rows.append(pet(key, name, month, deleted=chosen.random() < 0.2))
            if rows[-1]["_sdc_deleted_at"] is not None:
                alive.pop(key, None)
            else:
                alive[key] = (name, month)
        pets.merge(*rows, layout=layout)
        assert pets.rows() == alive
    assert len(pets.table.specs()) == 4


def test_table_that_others_made_partitioned_gets_a_spec_for_deletes(pets: Pets) -> None:
    """Its only spec is partitioned: a delete file under that would be for one partition."""
    pets.merge(pet(1, "a", 0))
    before = pets.table
    catalog = before.catalog
    catalog.drop_table(before.name())
    catalog.create_table(before.name(), before.schema(), partition_spec=before.spec(), properties=before.properties)
    assert not any(spec.is_unpartitioned() for spec in pets.table.specs().values())
    pets.shop.state = {}
    pets.merge(pet(1, "a", 0), layout="", complete=True)
    pets.merge(pet(1, "b", 1), layout="")
    assert pets.rows() == {1: ("b", 1)}
    assert not pets.table.spec().is_unpartitioned()


def test_staged_rows_are_published_after_the_layout_changed(catalog: Catalog) -> None:
    """Files are listed under the spec that they were written for, also when the change is made anew on another one."""
    namespace = f"raw_{uuid.uuid4().hex[:12]}"
    arrangement = Arrangement((PartitionField("id", "bucket", 2),), (SortField("id", descending=True),))

    def begin(name: str, keys: list[int]) -> Load:
        load = Load(
            catalog, namespace, name, stream=name, run_id=run_id, loaded_at=dt.datetime.now(dt.UTC), start=None,
            schema=iceberg_schema(name, {"properties": {"id": {"type": "integer"}}}, ["id"]),
            mode=WriteMode(Write.MERGE), keys=("id",), arrangement=arrangement,
        )  # fmt: skip
        load.write(pa.record_batch({"id": pa.array(keys)}))
        assert load.prepare({"at": len(keys)})
        return load

    for keys in ([1, 2, 3], [2, 3, 4, 4]):
        run_id = str(uuid.uuid4())
        loads = [begin(name, keys) for name in ("items", "orders")]
        for load in loads:
            load.stage("items")
        if len(keys) == 4:
            table = catalog.load_table((namespace, "items"))
            with table.update_spec() as update:
                update.remove_field("id_bucket_2").add_field("id", "truncate[10]", "tens")
            table.overwrite(table.scan().to_arrow())  # as a compaction: the same rows in other files
        for load in loads:
            load.publish()
    for name in ("items", "orders"):
        table = catalog.load_table((namespace, name))
        assert reading.rows(table, "id") == [(1,), (2,), (3,), (4,)]
        assert orphans(table) == []
    by_spec = {(file.spec_id, len(file.partition)) for file in data_files(catalog.load_table((namespace, "items")))}
    assert by_spec == {(1, 1), (2, 1)}


def test_orphans_of_a_partitioned_table_are_found(pets: Pets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of partitions lie where all others lie; those of a load that failed must not stay for ever."""

    def crash(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    pets.merge(pet(1, "a", 0), pet(2, "b", 1))
    monkeypatch.setattr("target_iceberg.commit.load.Load.commit_prepared", crash)
    with pytest.raises(KeyboardInterrupt):
        pets.merge(pet(1, "a", 2), pet(2, "b", 3), pet(2, "b", 4))
    monkeypatch.undo()
    pets.merge(pet(3, "c", 3))
    assert len(orphans(pets.table)) == 5, "three data files, the keys, the positions of one partition"
    assert not set(orphans(pets.table)) & held(pets.table)
    assert pets.rows() == {1: ("a", 0), 2: ("b", 1), 3: ("c", 3)}


def test_replayed_rows_find_their_partitions(new_shop: Callable[[], Shop], catalog: Catalog) -> None:
    """A row that comes out of the quarantine replaces the older one of its key, wherever that is."""
    layout = "deletes: hard\npartition: [month(at), 'bucket(2, id)']"
    priced = Priced(new_shop())
    priced.decide(f"{layout}\nquarantine: {{rows: 5, share: 100%}}")
    priced.load(*({"id": key, "price": 1.5, "at": "2026-01-01T00:00:00Z"} for key in (1, 2)))
    priced.load({"id": 1, "price": "much", "at": "2026-03-01T00:00:00Z"})
    priced.decide(f"{layout}\ncolumns: {{id: bigint, price: text, at: timestamptz}}")
    priced.load({"id": 3, "price": "3", "at": "2026-04-01T00:00:00Z"}, price={"type": ["string", "null"]})
    assert str(replay(catalog, priced.shop.namespace, "pets", Deletes.HARD)).startswith("1 rows released, 0 superseded")
    assert [key for (key,) in reading.rows(priced.table, "id")] == [1, 2, 3]
    march = "\"at\" > date '2026-02-28' and \"at\" < date '2026-04-01'"
    assert reading.rows(priced.table, "price", where=march) == [("much",)]
