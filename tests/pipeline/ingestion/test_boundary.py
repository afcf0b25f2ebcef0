"""Incremental runs: nothing lost, nothing sent twice."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from conftest import Shop
from tap_postgres_arrow.boundary import Bookmark, Snapshot, advanced, bookmark_from_state, changed_since
from tap_postgres_arrow.columns import Column

NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
KEY = Column("updated_at", "timestamptz", nullable=False)
DAY = dt.timedelta(days=1)


def sent(messages: list[dict[str, Any]]) -> list[int]:
    """Return the order ids of the RECORD messages."""
    return sorted(message["record"]["order_id"] for message in messages if message["type"] == "RECORD")


def test_second_run_moves_only_what_changed(shop: Shop) -> None:
    shop.replicate()
    shop.execute(
        "insert into shop.orders select i, 'placed', 1, null, now() from generate_series(1001, 1100) i",
        "update shop.orders set status = 'paid', updated_at = now() where order_id <= 50",
    )
    shop.replicate()
    assert shop.count("orders") == 1000 + 150
    assert [snapshot.summary["added-records"] for snapshot in shop.table("orders").snapshots()] == ["1000", "150"]


def test_run_without_changes_sends_nothing_and_makes_no_snapshot(shop: Shop) -> None:
    shop.replicate()
    before = shop.state
    shop.replicate()
    assert len(shop.table("orders").snapshots()) == 1
    assert (
        shop.state["bookmarks"]["orders"]["replication_key_value"]
        == (before["bookmarks"]["orders"]["replication_key_value"])
    )


def test_row_with_the_boundary_timestamp_that_commits_later_is_sent_once(shop: Shop) -> None:
    shop.replicate()
    shop.execute("insert into shop.orders select 2000, 'late', 1, null, max(updated_at) from shop.orders")
    assert sent(shop.extract(batch_config=None)) == [2000]
    shop.replicate()
    assert sent(shop.extract(batch_config=None)) == []


def test_row_of_a_transaction_that_commits_after_the_run_is_not_lost(shop: Shop) -> None:
    with shop.connect() as slow:
        slow.autocommit = False
        slow.execute("insert into shop.orders values (2000, 'slow', 1, null, now())")
        shop.execute("insert into shop.orders values (2001, 'quick', 1, null, now() + interval '1 second')")
        shop.replicate()  # sees 2001, whose key is greater, but not 2000
        slow.commit()
    shop.replicate()
    loaded = [row["order_id"] for row in shop.rows("orders", "order_id")]
    assert 2000 in loaded
    assert sorted(set(loaded)) == [*range(1, 1001), 2000, 2001]


def test_row_of_an_open_savepoint_is_not_lost(shop: Shop) -> None:
    """A savepoint has a transaction id of its own that snapshots do not list."""
    with shop.connect() as slow:
        slow.autocommit = False
        slow.execute("update shop.orders set note = 'opens the transaction' where order_id = 1")
        slow.execute("savepoint inner_work")
        slow.execute("insert into shop.orders values (2000, 'slow', 1, null, now())")
        slow.execute("release inner_work")
        shop.execute("insert into shop.orders values (2001, 'quick', 1, null, now() + interval '1 second')")
        shop.replicate()
        slow.commit()
    assert 2000 in sent(shop.extract(batch_config=None))


def test_late_row_inside_the_window_is_sent_and_one_outside_is_not(shop: Shop) -> None:
    shop.replicate()
    shop.execute(
        "insert into shop.orders values (2000, 'late', 1, null, now() - interval '20 hours')",
        "insert into shop.orders values (2001, 'too late', 1, null, now() - interval '40 hours')",
    )
    assert sent(shop.extract(batch_config=None)) == [2000]
    assert sent(shop.extract(batch_config=None, late_window_seconds=48 * 3600)) == [2000, 2001]


def test_row_dated_in_the_future_neither_repeats_nor_hides_others(shop: Shop) -> None:
    shop.execute("insert into shop.orders values (2000, 'clock', 1, null, now() + interval '5 years')")
    shop.replicate()
    shop.execute("insert into shop.orders values (2001, 'now', 1, null, now())")
    assert sent(shop.extract(batch_config=None)) == [2001]


def test_replaced_source_falls_back_to_the_key_inclusively(shop: Shop) -> None:
    shop.replicate()
    shop.state["bookmarks"]["orders"]["source_snapshot"]["system"] = "another server"
    shop.execute("insert into shop.orders values (2000, 'new', 1, null, now())")
    assert sent(shop.extract(batch_config=None, late_window_seconds=0)) == [1000, 2000]
    # What was committed late, before it was replaced or after, is as old as the window says.
    assert sent(shop.extract(batch_config=None)) == [*range(1, 1001), 2000]


def test_restored_source_is_recognised_by_its_transaction_ids(shop: Shop) -> None:
    shop.replicate()
    shop.state["bookmarks"]["orders"]["source_snapshot"]["xmin"] = 1 << 40  # the source never came that far
    assert sent(shop.extract(batch_config=None, late_window_seconds=0)) == [1000]


def test_rows_with_a_null_replication_key_are_sent(shop: Shop) -> None:
    shop.execute("alter table shop.orders alter updated_at drop not null")
    shop.replicate()
    shop.execute("insert into shop.orders values (2000, 'undated', 1, null, null)")
    assert sent(shop.extract(batch_config=None)) == [2000]


def test_all_streams_are_read_in_one_snapshot(shop: Shop) -> None:
    """Items never refer to an order that the same run did not see."""
    shop.execute("create table shop.items (item_id bigint primary key, order_id bigint, updated_at timestamptz)")
    shop.replicate()
    snapshots = [bookmark["source_snapshot"] for bookmark in shop.state["bookmarks"].values() if bookmark]
    assert len({snapshot["xmin"] for snapshot in snapshots}) == 1


@pytest.mark.parametrize("xmin", [5, 90, 100])
def test_age_of_a_row_is_counted_modulo_32_bits(xmin: int) -> None:
    snapshot = Snapshot("a", 4294967296 + 90, 4294967296 + 100, NOW)
    condition = changed_since(Bookmark(NOW, "a", 4294967296 + xmin), snapshot, KEY, DAY)
    assert condition == (
        "\"updated_at\" > timestamptz '2026-04-30T12:00:00+00:00'"
        f" and ((4294967396 - xmin::text::bigint) & 4294967295) <= {100 - xmin}"
    )


def test_bookmark_survives_the_state_and_never_goes_back() -> None:
    bookmark = Bookmark(NOW, "a", 90)
    assert bookmark_from_state(bookmark.to_state("updated_at"), KEY) == bookmark
    snapshot = Snapshot("a", 95, 100, NOW + DAY)
    assert advanced(bookmark, NOW - DAY, snapshot, KEY) == Bookmark(NOW, "a", 95)
    assert advanced(bookmark, None, snapshot, KEY) == Bookmark(NOW, "a", 95)


def test_bookmark_of_another_replication_key_is_not_used() -> None:
    assert bookmark_from_state(Bookmark(NOW, "a", 90).to_state("created_at"), KEY) is None


def test_clock_that_was_set_back_moves_the_scan_back() -> None:
    """New rows are then dated before the bookmark, by more than the window for late commits."""
    back = NOW - 3 * DAY
    condition = changed_since(Bookmark(NOW, "a", 5), Snapshot("a", 7, 9, back), KEY, DAY)
    assert f"timestamptz '{(back - DAY).isoformat()}'" in condition
