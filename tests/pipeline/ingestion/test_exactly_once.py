"""No row is lost or doubled, whichever process dies between whichever two steps."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import reading
from conftest import Shop, contracts
from crash_processes import Fault, Outcome, run
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from target_iceberg.admin import positions
from target_iceberg.orphans import orphans
from target_iceberg.position import read_position
from target_iceberg.target import IncompleteStreamError

STREAMS = ("items", "orders")  # the tap's order
ROWS = 4_000
CHANGED = 300
RANDOM_KILLS = int(os.environ.get("HEADWATER_RANDOM_KILLS", "6"))
ROUND = 10
"""Kills of one test: many are shown as they pass."""

BATCH = "target_iceberg.batches:Batch"
LOAD = "target_iceberg.load:Load"
FILE = "target_iceberg.datafile:DataFileWriter"
RUN = "target_iceberg.run:Run"
STATE = "target_iceberg.main:write_state"
SNAPSHOT = "target_iceberg.snapshot"
CATALOG = "pyiceberg.catalog.sql:SqlCatalog"
OUTPUT = "pyiceberg.io.pyarrow:PyArrowFileIO.new_output"
SESSION = "sqlalchemy.orm:Session.commit"
TAP = "tap_postgres_arrow.main:BulkRun"
OUT = "tap_postgres_arrow.main:Output"

FAULTS = [
    Fault("tap", "after", "tap_postgres_arrow.engine:Connection.__init__"),
    Fault("tap", "after", "tap_postgres_arrow.source:Source.tables"),
    Fault("tap", "before", f"{TAP}._announce"),
    Fault("tap", "after", f"{TAP}._announce"),
    Fault("tap", "before", f"{OUT}.write", 3),  # STATE, SCHEMA, BATCH
    Fault("tap", "after", f"{OUT}.write", 3),
    Fault("tap", "before", "headwater_tap.handover:_open_for_writing"),
    Fault("tap", "after", "headwater_tap.handover:_open_for_writing"),
    Fault("tap", "before", "tap_postgres_arrow.arrow:conform"),
    Fault("tap", "before", "tap_postgres_arrow.boundary:advanced"),
    Fault("tap", "after", "headwater_tap.handover:send"),
    Fault("tap", "before", f"{OUT}.write", 6),
    Fault("tap", "after", "headwater_tap.handover:send", 2),
    Fault("tap", "after", f"{OUT}.state", 2),
    Fault("tap", "after", f"{OUT}.state", 3),
    Fault("target", "before", "pyiceberg.catalog:load_catalog"),
    Fault("target", "before", "target_iceberg.load:ensure_table"),
    Fault("target", "after", "target_iceberg.load:ensure_table"),
    Fault("target", "before", "target_iceberg.pipe:read"),
    Fault("target", "before", f"{LOAD}.write"),
    Fault("target", "after", f"{FILE}.__init__"),
    Fault("target", "after", f"{LOAD}.write"),
    Fault("target", "after", f"{BATCH}.store"),
    Fault("target", "after", f"{BATCH}.store", 2),
    Fault("target", "before", f"{RUN}.finish"),
    Fault("target", "before", f"{FILE}.close"),
    Fault("target", "after", f"{FILE}.close"),
    Fault("target", "before", f"{LOAD}.prepare"),
    Fault("target", "after", f"{LOAD}.prepare", 2),
    Fault("target", "before", STATE),
    Fault("target", "after", STATE),
]
PASSAGE = [
    Fault("tap", "before", "headwater_tap.handover:Answer.read"),
    Fault("tap", "after", "headwater_tap.handover:Answer.read"),
    Fault("tap", "before", "tap_postgres_arrow.engine:Connection.copy", 2),
    Fault("tap", "after", "tap_postgres_arrow.engine:Connection.copy"),
    Fault("tap", "before", "tap_postgres_arrow.parquet:check"),
    Fault("tap", "after", "tap_postgres_arrow.parquet:write"),
    Fault("tap", "after", "tap_postgres_arrow.parquet:write", 2),
    Fault("target", "before", "target_iceberg.pipe:answer"),
    Fault("target", "after", "target_iceberg.pipe:answer"),
    Fault("target", "after", "target_iceberg.pipe:answer", 2),
    Fault("target", "before", "target_iceberg.load:ensure_table"),
    Fault("target", "before", f"{LOAD}.receive"),
    Fault("target", "before", "target_iceberg.passage:with_field_ids"),
    Fault("target", "after", f"{LOAD}.receive"),
    Fault("target", "after", f"{LOAD}.adopt"),
    Fault("target", "before", f"{LOAD}.adopt", 2),
    Fault("target", "after", f"{BATCH}.store"),
    Fault("target", "before", f"{RUN}.finish"),
    Fault("target", "before", SESSION),
    Fault("target", "after", SESSION),
    Fault("target", "before", STATE),
    Fault("target", "after", STATE),
]
PUBLICATION = [
    Fault("target", "before", "target_iceberg.run:together"),
    Fault("target", "before", OUTPUT, 3),  # the first table's manifest
    Fault("target", "before", OUTPUT, 4),  # its manifest list
    Fault("target", "before", OUTPUT, 5),  # its metadata
    Fault("target", "before", SESSION),
    Fault("target", "after", SESSION),  # the anchor is staged
    Fault("target", "after", f"{LOAD}.stage"),
    Fault("target", "before", f"{CATALOG}.commit_table", 2),
    Fault("target", "before", SESSION, 2),
    Fault("target", "after", SESSION, 2),  # both tables are staged
    Fault("target", "after", f"{LOAD}.stage", 2),
    Fault("target", "before", f"{LOAD}.publish"),
    Fault("target", "before", SESSION, 3),
    Fault("target", "after", SESSION, 3),  # the anchor is published: the run is decided
    Fault("target", "after", f"{LOAD}.publish"),
    Fault("target", "before", f"{CATALOG}.commit_table", 4),
    Fault("target", "before", SESSION, 4),
    Fault("target", "after", SESSION, 4),
    Fault("target", "after", f"{LOAD}.publish", 2),
    Fault("target", "before", "target_iceberg.run:report"),
    Fault("target", "before", STATE),
]
MERGE = [
    Fault("target", "before", "target_iceberg.merge:equality_deletes"),
    Fault("target", "after", "target_iceberg.merge:equality_deletes", 2),
    Fault("target", "before", f"{SNAPSHOT}:LoadSnapshot.updates"),
    Fault("target", "before", f"{SNAPSHOT}:DeleteManifestWriter.content", 2),  # while the second is written
    Fault("target", "after", f"{SNAPSHOT}:LoadSnapshot.updates", 2),
]


@dataclass
class Log:
    """The source's every row version, and a pipeline that loads them."""

    shop: Shop
    expected: dict[str, Counter[tuple[int, int]]]
    write: str = "append"
    layout: str = "arrow"
    positions_are_asked: bool = True
    state: dict[str, Any] = field(default_factory=dict)

    def change(self) -> None:
        """Update some rows and add some, in both tables."""
        with self.shop.connect() as connection:
            for stream in STREAMS:
                cursor = connection.execute(
                    f"with changed as (update shop.{stream} set version = version + 1, updated_at = clock_timestamp()"
                    f"   where id in (select id from shop.{stream} order by random() limit {CHANGED}) returning *),"
                    f" added as (insert into shop.{stream} select (select max(id) from shop.{stream}) + i, 0, 'new',"
                    f"   clock_timestamp() from generate_series(1, {CHANGED}) i returning *)"
                    " select id, version from changed union all select id, version from added"
                )
                self.expected[stream].update(cursor.fetchall())

    def run(self, fault: Fault | None = None, interrupt: Callable[[int, int], None] | None = None) -> Outcome:
        """Run once as headwater-ingest does, and keep the state as Meltano does."""
        settings = {**self.shop.settings}
        settings["batch_config"] = {**settings["batch_config"], "encoding": {"format": self.layout}}
        if self.positions_are_asked:
            path = self.shop.folder / "positions.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(positions(load_catalog("lake"), self.shop.namespace)))
            settings["positions_file"] = str(path)
        target = {
            "namespace": self.shop.namespace,
            "validate_records": False,
            "contracts": contracts(
                self.shop.folder / self.write, **dict.fromkeys(STREAMS, f"key: [id]\nwrite: {self.write}")
            ),
        }
        outcome = run(settings, target, self.state, fault, interrupt)
        if outcome.state is not None:
            self.state = outcome.state
        return outcome

    def check(self) -> None:
        """Every version is there, once; of a merged table, the newest of each key."""
        for stream in STREAMS:
            table = self.shop.table(stream)
            if self.write == "append":
                rows = table.scan(selected_fields=("id", "version")).to_arrow().to_pylist()
                loaded = Counter((row["id"], row["version"]) for row in rows)
                expected = self.expected[stream]
            else:
                loaded = Counter(reading.rows(table, "id", "version"))
                newest: dict[int, int] = {}
                for key, version in self.expected[stream]:
                    newest[key] = max(version, newest.get(key, 0))
                expected = Counter(newest.items())
            lost, doubled = expected - loaded, loaded - expected
            assert not lost, f"{stream}: {len(lost)} rows lost, {list(lost)[:3]}"
            assert not doubled, f"{stream}: {len(doubled)} rows doubled, {list(doubled)[:3]}"

    def check_all_or_none(self) -> None:
        """Whoever asks where the tables stand finds all of a run's, or none."""
        positions(load_catalog("lake"), self.shop.namespace)
        found = {stream: read_position(self.shop.table(stream).metadata) for stream in STREAMS}
        runs = {None if each is None else each.run_id for each in found.values()}
        assert len(runs) == 1, f"half a run is published: {found}"

    def survive(self, faults: Sequence[Fault]) -> None:
        """Be killed at each fault; check after the next run."""
        assert self.run().complete
        for fault in faults:
            self.change()
            killed = self.run(fault)
            assert -signal.SIGKILL in {killed.tap, killed.target}, f"{fault}: never reached\n{killed.log}"
            try:
                self.check_all_or_none()
                after = self.run()
                assert after.complete, f"the next run failed\n{after.log}"
                self.check()
            except AssertionError as error:
                raise AssertionError(f"{fault}: {error}") from error


@pytest.fixture
def log(new_shop: Callable[[], Shop]) -> Log:
    shop = new_shop()
    expected = {}
    for stream in STREAMS:
        shop.execute(
            f"create table shop.{stream} (id bigint primary key, version int not null, note text,"
            " updated_at timestamptz not null)",
            f"insert into shop.{stream} select i, 0, 'x', clock_timestamp() from generate_series(1, {ROWS}) i",
        )
        expected[stream] = Counter((number, 0) for number in range(1, ROWS + 1))
    return Log(shop, expected)


def test_kill_at_every_step(log: Log) -> None:
    """A crash between the commit and the state doubles rows; one before the commit loses them."""
    log.survive(FAULTS)


def test_kill_at_every_step_of_a_passage(log: Log) -> None:
    """A file that passes through as the engine writes it counts only when it is complete and its values are checked."""
    log.layout = "pipe"
    log.survive(PASSAGE)


def test_kill_while_tables_are_published(log: Log) -> None:
    """Half a run that stays half: dashboards would join new orders with old items."""
    log.survive(PUBLICATION)


def test_kill_at_every_step_of_a_merge(log: Log) -> None:
    """Delete files without their rows lose rows, rows without their delete files double them."""
    log.write = "merge"
    log.survive([*MERGE, *PUBLICATION])


@pytest.mark.parametrize("write", ["append", "merge"])
def test_kill_during_the_recovery_from_a_kill(log: Log, write: str) -> None:
    """What a killed run left is completed by a run that may be killed itself."""
    log.write, log.positions_are_asked = write, False
    assert log.run().complete
    for first in (Fault("target", "after", SESSION, 1), Fault("target", "after", SESSION, 3)):
        for second in (
            Fault("target", "before", "target_iceberg.publish:settle"),
            Fault("target", "before", SESSION),
            Fault("target", "after", SESSION),
        ):
            log.change()
            assert log.run(first).target == -signal.SIGKILL
            assert log.run(second).target == -signal.SIGKILL, f"{first}, {second}: never reached"
            # Not asked for positions, the run that finds other bookmarks than its own refuses, and corrects the state.
            assert log.run().complete or log.run().complete, f"{first}, {second}"
            log.check()
            log.check_all_or_none()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("target", "after", "target_iceberg.load:ensure_table"),
        Fault("target", "after", f"{FILE}.close"),
        Fault("target", "after", SESSION),
        Fault("target", "before", STATE),
        Fault("tap", "after", f"{OUT}.write", 3),
    ],
    ids=str,
)
def test_kill_during_the_first_load(log: Log, fault: Fault) -> None:
    """There is no state and no table yet to go by."""
    killed = log.run(fault)
    assert -signal.SIGKILL in {killed.tap, killed.target}, killed.log
    log.change()
    # Versions that were never visible to a completed load are legitimately skipped: only the latest remain.
    committed = positions(load_catalog("lake"), log.shop.namespace)
    for stream in STREAMS:
        if stream not in committed:
            with log.shop.connect() as connection:
                log.expected[stream] = Counter(connection.execute(f"select id, version from shop.{stream}").fetchall())
    assert log.run().complete
    log.check()


@pytest.mark.parametrize("write", ["append", "merge"])
@pytest.mark.parametrize("round_", range(-(-RANDOM_KILLS // ROUND)))
def test_kill_at_random_times(log: Log, write: str, round_: int) -> None:
    """The steps that nobody thought of. `make soak` for the long version."""
    log.write = write
    chance = random.Random(20261123 + round_)
    assert log.run().complete
    for number in range(min(ROUND, RANDOM_KILLS - ROUND * round_)):
        log.change()
        delay, victim = chance.uniform(0, 1.2), chance.choice([0, 1])

        def interrupt(*processes: int, victim: int = victim, delay: float = delay) -> None:
            threading.Event().wait(delay)
            try:
                os.kill(processes[victim], signal.SIGKILL)
            except ProcessLookupError:
                return  # it was done before

        log.run(interrupt=interrupt)
        log.check_all_or_none()
        after = log.run()
        assert after.complete, f"kill {number} of {victim} after {delay:.3f} s: the next run failed\n{after.log}"
        log.check()


def test_state_lost_after_the_commit_is_noticed_without_positions(log: Log) -> None:
    """Plain `meltano run` does not ask the tables: the target refuses what would double, and corrects the state."""
    log.positions_are_asked = False
    assert log.run().complete
    log.change()
    log.run(Fault("target", "before", STATE))
    refused = log.run()
    assert refused.target != 0
    assert "rows would be doubled or lost" in refused.log
    log.check()
    assert log.run().complete
    log.check()


def test_connection_lost_midway_is_no_shorter_table(log: Log) -> None:
    """A COPY that ends early must not look like its end."""
    log.shop.execute(
        "insert into shop.orders select i, 0, repeat('x', 500), clock_timestamp()"
        " from generate_series(100001, 300000) i"
    )
    ended = threading.Event()

    def terminate(*_processes: int) -> None:
        with log.shop.server.connect() as connection:
            while not ended.wait(0.02):
                found = connection.execute(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s"
                    " and query ilike 'copy%%orders%%' and state = 'active'",
                    [log.shop.database],
                ).fetchone()
                if found and found[0]:
                    return

    outcome = log.run(interrupt=terminate)
    assert outcome.tap != 0, outcome.log
    assert "terminating connection" in outcome.log
    assert log.shop.table("orders").current_snapshot() is None
    assert log.run().complete
    log.expected["orders"].update((number, 0) for number in range(100_001, 300_001))
    log.check()


# What the table says


def race(monkeypatch: pytest.MonkeyPatch, before_commit: Callable[[], None]) -> None:
    """Let something happen between the target's last look at the table and its commit."""
    commit, pending = Table._do_commit, [before_commit]

    def lose(table: Table, *arguments: Any, **options: Any) -> None:
        if pending and options.get("requirements", arguments[1:]):
            pending.pop()()
        commit(table, *arguments, **options)

    monkeypatch.setattr(Table, "_do_commit", lose)
    monkeypatch.setattr("pyiceberg.table.time.sleep", lambda _: None)


def change_orders(shop: Shop) -> None:
    shop.execute("update shop.orders set updated_at = now() where order_id <= 10")


@pytest.fixture
def loaded(shop: Shop) -> Shop:
    shop.replicate()
    change_orders(shop)
    return shop


@pytest.mark.parametrize("full", [False, True], ids=["changes", "complete"])
def test_second_of_two_runs_at_once_is_refused(loaded: Shop, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    """Both read the same changes (or all rows): both commits together would double them."""
    if full:
        loaded.state = {}
    first, second = loaded.extract_lines(), loaded.extract_lines()
    race(monkeypatch, lambda: loaded.load(first))
    with pytest.raises(IncompleteStreamError, match="two runs at once"):
        loaded.load(second)
    assert loaded.count("orders") == (1000 if full else 1010)
    change_orders(loaded)
    loaded.replicate()
    assert loaded.count("orders") == (1010 if full else 1020)


def test_changes_sent_twice_are_refused_and_the_state_is_corrected(loaded: Shop) -> None:
    before = loaded.state
    loaded.replicate()
    after = loaded.state
    loaded.state = before  # as if the state had not been stored
    with pytest.raises(IncompleteStreamError, match=r"stands at .*, the tap began at .*: rows would be doubled"):
        loaded.replicate()
    assert loaded.state == after
    assert loaded.count("orders") == 1010


def test_dropped_table_is_read_in_full_again(loaded: Shop) -> None:
    """The state alone would send the changes only, into an empty table."""
    load_catalog("lake").drop_table((loaded.namespace, "orders"))
    with pytest.raises(IncompleteStreamError, match="stands at its beginning"):
        loaded.replicate()
    loaded.replicate()
    assert loaded.count("orders") == 1000


def test_rolled_back_table_takes_its_position_along(loaded: Shop) -> None:
    first = loaded.table("orders").current_snapshot()
    assert first is not None
    loaded.replicate()
    table = loaded.table("orders")
    table.manage_snapshots().set_current_snapshot(first.snapshot_id).commit()
    loaded.state["bookmarks"]["orders"] = positions(load_catalog("lake"), loaded.namespace)["orders"]
    loaded.replicate()
    assert loaded.count("orders") == 1010


def rewrite(table: Table) -> None:
    """Replace all data files by others with the same rows, as a compaction does: a snapshot without a position."""
    table.overwrite(table.scan().to_arrow())


@pytest.mark.parametrize("full", [False, True], ids=["changes", "complete"])
def test_maintenance_in_between_is_no_conflict(loaded: Shop, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    """A compaction commits while a load is under way, and rewrites the files that a complete read replaces."""
    if full:
        loaded.state = {}
    lines = loaded.extract_lines()
    race(monkeypatch, lambda: rewrite(loaded.table("orders")))
    loaded.load(lines)
    assert loaded.count("orders") == (1000 if full else 1010)


def test_position_outlives_its_snapshot(loaded: Shop) -> None:
    """Maintenance rewrites the table, then expires the load's snapshot: the bookmark must not go with it."""
    table = loaded.table("orders")
    position = read_position(table.metadata)
    load = table.current_snapshot()
    assert load is not None
    rewrite(table)
    table.maintenance.expire_snapshots().by_id(load.snapshot_id).commit()
    table = loaded.table("orders")
    for snapshot in table.snapshots():  # the rewrite is two snapshots: deletion and append
        current = table.current_snapshot()
        if current is not None and snapshot.snapshot_id != current.snapshot_id:
            table.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()
            table = loaded.table("orders")
    assert len(table.snapshots()) == 1
    assert read_position(table.metadata) == position
    loaded.replicate()
    assert loaded.count("orders") == 1010


def test_commit_whose_answer_is_lost_counts(loaded: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog commits and the connection breaks: neither an error nor a second commit is right."""
    commit = Table._do_commit

    def lose_answer(table: Table, *arguments: Any, **options: Any) -> None:
        commit(table, *arguments, **options)
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(Table, "_do_commit", lose_answer)
    loaded.replicate()
    monkeypatch.undo()
    loaded.replicate()
    assert loaded.count("orders") == 1010


def test_orphans_are_files_of_failed_loads_only(loaded: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a run in progress, or of a snapshot in the past, must not be taken for an orphan."""
    data = Path(loaded.table("orders").location().removeprefix("file://"), "data")
    live = set(data.iterdir())

    def crash(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("target_iceberg.load.Load.commit_prepared", crash)
    with pytest.raises(KeyboardInterrupt):
        loaded.replicate()
    monkeypatch.undo()
    (left,) = set(data.iterdir()) - live
    assert orphans(loaded.table("orders")) == [], "it might still be committed"
    loaded.replicate()
    assert [Path(name.removeprefix("file://")) for name in orphans(loaded.table("orders"))] == [left]
    loaded.state = {}
    loaded.replicate()
    assert len(orphans(loaded.table("orders"))) == 1, "replaced files still belong to older snapshots"


def test_refused_commit_deletes_its_files(loaded: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise CommitFailedException("no")

    data = Path(loaded.table("orders").location().removeprefix("file://"), "data")
    before = set(data.iterdir())
    monkeypatch.setattr(Table, "_do_commit", refuse)
    monkeypatch.setattr("pyiceberg.table.time.sleep", lambda _: None)
    with pytest.raises(IncompleteStreamError):
        loaded.replicate()
    assert set(data.iterdir()) == before
