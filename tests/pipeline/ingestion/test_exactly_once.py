"""What the table says about its loads decides what may be loaded into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Shop
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from target_iceberg.admin import positions
from target_iceberg.files.orphans import orphans
from target_iceberg.run import IncompleteStreamError
from target_iceberg.state.position import read_position


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


def expire_all_but_the_current(shop: Shop) -> None:
    table = shop.table("orders")
    for snapshot in table.snapshots():
        current = table.current_snapshot()
        if current is not None and snapshot.snapshot_id != current.snapshot_id:
            table.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()
            table = shop.table("orders")
    assert len(table.snapshots()) == 1


@pytest.mark.parametrize("seen", [True, False])
def test_rolled_back_load_is_not_believed_after_expiry(loaded: Shop, seen: bool) -> None:
    """Rolled back, compacted, expired: only the table's property told of the load, and its rows were never sent."""
    first = loaded.table("orders").current_snapshot()
    assert first is not None
    loaded.replicate()
    loaded.table("orders").manage_snapshots().set_current_snapshot(first.snapshot_id).commit()
    if seen:  # as each run does, and the nightly clean-up
        assert positions(load_catalog("lake"), loaded.namespace)["orders"]
    rewrite(loaded.table("orders"))
    assert read_position(loaded.table("orders").metadata) is not None, "that of the first load"
    if not seen:
        assert positions(load_catalog("lake"), loaded.namespace)["orders"]
    expire_all_but_the_current(loaded)
    assert read_position(loaded.table("orders").metadata) is None


def test_position_outlives_its_snapshot(loaded: Shop) -> None:
    """Maintenance rewrites the table, then expires the load's snapshot: the bookmark must not go with it."""
    table = loaded.table("orders")
    position = read_position(table.metadata)
    load = table.current_snapshot()
    assert load is not None
    rewrite(table)
    table.maintenance.expire_snapshots().by_id(load.snapshot_id).commit()
    table = loaded.table("orders")
    expire_all_but_the_current(loaded)  # the rewrite is two snapshots: deletion and append
    table = loaded.table("orders")
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

    monkeypatch.setattr("target_iceberg.commit.load.Load.commit_prepared", crash)
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
