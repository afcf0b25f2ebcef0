"""Change data capture against a real PostgreSQL: the lake follows the log, whatever happens to rows, runs and slots."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reading
from conftest import Shop
from following import drop_slots, follow
from tap_postgres_arrow import pgoutput
from tap_postgres_arrow.engine import SourceError
from tap_postgres_arrow.main import Run
from tap_postgres_arrow.settings import PROGRAM

ORDERS = (
    "create table shop.orders (order_id bigint primary key, status text, fee numeric(12,2) not null, note text,"
    " placed timestamptz not null default now())"
)


@pytest.fixture
def followed(new_shop: Callable[[], Shop]) -> Iterator[Shop]:
    """A shop whose log is followed: 100 orders, read once."""
    shop = new_shop()
    shop.slot = f"hw_s{uuid.uuid4().hex[:12]}"
    shop.execute(
        ORDERS,
        "alter table shop.orders alter column note set storage external",
        "insert into shop.orders select i, 'placed', i * 0.01, repeat('n', 9000) from generate_series(1, 100) i",
        "create publication headwater for all tables",
    )
    shop.execute("alter role reader replication")
    follow(shop)
    yield shop
    drop_slots(shop)


def catalog(shop: Shop, *streams: str) -> dict[str, Any]:
    """What the tap discovers, with only these streams selected."""
    config = PROGRAM.checked({**shop.settings, "publication": "headwater", "slot": shop.slot})
    run = Run(config)
    try:
        found = run.discover()
    finally:
        run.close()
    for entry in found["streams"]:
        entry["metadata"][-1]["metadata"]["selected"] = entry["stream"] in streams
    return found


def messages(shop: Shop) -> list[dict[str, Any]]:
    return shop.extract(publication="headwater", slot=shop.slot)


def newest(shop: Shop, table: str = "orders", key: str = "order_id") -> dict[Any, dict[str, Any]]:
    """The last version of each row that was not removed."""
    versions: dict[Any, dict[str, Any]] = {}
    for row in sorted(shop.table(table).scan().to_arrow().to_pylist(), key=lambda row: row["_sdc_lsn"]):
        versions[row[key]] = row
    return {number: row for number, row in versions.items() if row["_sdc_deleted_at"] is None}


def assert_followed(shop: Shop) -> None:
    with shop.connect() as connection:
        source = {
            row[0]: row for row in connection.execute("select order_id, status, fee, note, placed from shop.orders")
        }
    lake = {key: tuple(row[name] for name in ("order_id", "status", "fee", "note", "placed"))
            for key, row in newest(shop).items()}  # fmt: skip
    assert lake == source


def slots(shop: Shop) -> dict[str, int]:
    """The shop's slots, and up to where the source may throw its log away for each."""
    query = "select slot_name, (confirmed_flush_lsn - '0/0')::bigint from pg_replication_slots where slot_name like %s"
    with shop.connect() as connection:
        return dict(connection.execute(query, [f"{shop.slot}_%"]).fetchall())


def test_inserts_updates_and_deletes_arrive(followed: Shop) -> None:
    """Deleted rows that stay in the lake for ever, or large values that an update left alone turning into nulls."""
    followed.execute(
        "insert into shop.orders values (101, null, 1.5, 'new')",
        "update shop.orders set status = 'paid' where order_id <= 50",
        "delete from shop.orders where order_id in (7, 8)",
    )
    follow(followed)
    assert_followed(followed)
    assert newest(followed)[1]["note"] == "n" * 9000


def test_a_merged_table_is_the_source(new_shop: Callable[[], Shop]) -> None:
    """Log and merge together: after any mix of changes the table holds the source's rows, once each, and no others."""
    shop = new_shop()
    shop.slot = f"hw_s{uuid.uuid4().hex[:12]}"
    shop.contract("key: [order_id]\nwrite: merge\ndeletes: hard\n")
    shop.execute(
        ORDERS,
        "insert into shop.orders select i, 'placed', i, null from generate_series(1, 20) i",
        "create publication headwater for all tables",
        "alter role reader replication",
    )
    try:
        follow(shop)
        shop.execute(
            "delete from shop.orders where order_id <= 5",
            "insert into shop.orders values (3, 'back again', 3, null)",
            "update shop.orders set order_id = 30 where order_id = 10",
            "update shop.orders set status = 'paid' where order_id = 11",
            "update shop.orders set status = 'sent' where order_id = 11",
        )
        follow(shop)
        with shop.connect() as connection:
            source = connection.execute("select order_id, status from shop.orders order by 1").fetchall()
        assert reading.rows(shop.table("orders"), "order_id", "status") == source
    finally:
        drop_slots(shop)


def test_what_the_log_adds_is_no_drift(new_shop: Callable[[], Shop]) -> None:
    """A finding about a column that no source sends, and that nobody can decide about."""
    shop = new_shop()
    shop.slot = f"hw_s{uuid.uuid4().hex[:12]}"
    shop.contract("key: [order_id]\nwrite: merge\ndeletes: hard\ncolumns: {order_id: bigint, fee: 'numeric(12,2)'}\n")
    shop.execute(
        "create table shop.orders (order_id bigint primary key, fee numeric(12,2))",
        "insert into shop.orders values (1, 1), (2, 'NaN')",
        "create publication headwater for all tables",
        "alter role reader replication",
    )
    try:
        follow(shop)
        assert shop.findings() == {("quarantined", ""): "warn"}
        assert reading.rows(shop.table("orders"), "order_id") == [(1,)]
        assert [row["value"] for row in shop.quarantine()] == ["NaN"], "a complete read leaves out what does not fit"
    finally:
        drop_slots(shop)


def test_records_follow_the_log_too(followed: Shop) -> None:
    """Another target gets records, from the SDK's part of the tap: it must not fall back to complete reads."""
    followed.execute(
        "update shop.orders set status = 'paid' where order_id = 1", "delete from shop.orders where order_id = 2"
    )
    sent = followed.extract(publication="headwater", slot=followed.slot, batch_config=None)
    records = [message["record"] for message in sent if message["type"] == "RECORD"]
    assert [(record["order_id"], record["_sdc_deleted_at"] is None) for record in records] == [(1, True), (2, False)]
    assert not [message for message in sent if message["type"] == "ACTIVATE_VERSION"]


def test_a_key_that_changes_is_one_row(followed: Shop) -> None:
    """The row under its former key staying alive: one order would count twice."""
    followed.execute("update shop.orders set order_id = 1001 where order_id = 1")
    follow(followed)
    assert_followed(followed)


def test_the_full_old_row_is_no_change_of_key(followed: Shop) -> None:
    """REPLICA IDENTITY FULL sends each old row: without a look at the key, every update would remove its row."""
    followed.execute("alter table shop.orders replica identity full", "update shop.orders set status = 'paid'")
    before = followed.count("orders")
    follow(followed)
    assert followed.count("orders") == before + 100
    assert_followed(followed)


def test_a_table_of_the_same_name_elsewhere_is_another_one(followed: Shop) -> None:
    """A publication of two schemas: rows of archive.orders must not end in orders, nor end the run."""
    followed.execute(
        "create schema archive",
        "create table archive.orders (order_id bigint primary key)",
        "insert into archive.orders values (900)",
        "truncate archive.orders",
        "update shop.orders set status = 'paid' where order_id = 1",
    )
    follow(followed)
    assert_followed(followed)


def test_a_truncated_table_is_read_anew(followed: Shop) -> None:
    """TRUNCATE names no rows: followed literally, the lake would keep them all."""
    followed.execute("truncate shop.orders", "insert into shop.orders values (5, 'placed', 1, null)")
    follow(followed)
    assert_followed(followed)


def test_a_column_added_midway_is_followed(followed: Shop) -> None:
    """Rows of before the change have fewer columns than rows after it, in one run."""
    followed.execute(
        "insert into shop.orders values (101, 'placed', 1, null)",
        "alter table shop.orders add column gift boolean",
        "insert into shop.orders values (102, 'placed', 1, null, now(), true)",
    )
    follow(followed)
    assert newest(followed)[101]["gift"] is None
    assert newest(followed)[102]["gift"] is True
    assert_followed(followed)


def test_what_a_failed_run_read_is_read_again(followed: Shop) -> None:
    """A slot that moves on before the lake has the rows: the source throws them away, and nobody has them."""
    followed.execute("update shop.orders set status = 'lost?' where order_id = 3")
    messages(followed)
    messages(followed)
    follow(followed)
    assert newest(followed)[3]["status"] == "lost?"


def test_nothing_is_sent_twice(followed: Shop) -> None:
    """A run after a quiet hour that sends the last changes again."""
    followed.execute("update shop.orders set status = 'paid' where order_id = 3")
    follow(followed)
    rows = followed.count("orders")
    follow(followed)
    assert followed.count("orders") == rows


def test_a_quiet_table_does_not_hold_the_log(followed: Shop) -> None:
    """A table without changes has an old bookmark: were the slot kept there, the source's disk would fill."""
    followed.execute("create table shop.stores (store_id int primary key)", "insert into shop.stores values (1)")
    follow(followed)
    followed.execute(*["update shop.orders set status = status || '+'"] * 3)
    follow(followed)
    follow(followed)
    with followed.connect() as connection:
        (row,) = connection.execute("select (pg_current_wal_flush_lsn() - '0/0')::bigint")
    (confirmed,) = slots(followed).values()
    behind = row[0] - confirmed
    assert behind < 100_000, f"{behind} bytes of log are kept for nothing"


def test_a_run_of_one_stream_keeps_the_changes_of_others(followed: Shop) -> None:
    """A run that selects one table and lets the slot go past what another one still needs."""
    followed.execute("create table shop.stores (store_id int primary key, name text)")
    follow(followed)
    followed.execute("insert into shop.stores values (1, 'Lyon')", "update shop.orders set status = 'paid'")
    orders = catalog(followed, "orders")
    follow(followed, catalog=orders)
    follow(followed, catalog=orders)
    follow(followed)
    assert newest(followed, "stores", "store_id")[1]["name"] == "Lyon"
    assert_followed(followed)


def test_a_dropped_slot_means_a_complete_read(followed: Shop) -> None:
    """A slot made anew has a gap before it: going on from the bookmark would lose what happened meanwhile."""
    followed.execute("delete from shop.orders where order_id = 9")
    with followed.connect() as connection:
        (dropped,) = slots(followed)
        connection.execute("select pg_drop_replication_slot(%s)", [dropped])
    followed.execute("update shop.orders set status = 'paid' where order_id = 4")
    follow(followed)
    assert set(slots(followed)).isdisjoint({dropped})
    assert_followed(followed)


def test_settings_that_do_not_fit_the_source_are_named(followed: Shop) -> None:
    """A publication with a wrong name: the run must say what to do, and not read nothing."""
    with pytest.raises(SourceError, match=r"no publication 'nowhere'.*create publication \"nowhere\""):
        followed.extract(publication="nowhere", slot=followed.slot)


def test_messages_that_are_cut_off_are_errors() -> None:
    """A decoder that takes what is left of a message for the whole of it."""
    with pytest.raises(pgoutput.ProtocolError, match="ends before"):
        pgoutput.decode(b"I\x00\x00\x40\x00N\x00\x01t\x00\x00\x00\x09abc")
    with pytest.raises(pgoutput.ProtocolError, match="unknown kind"):
        pgoutput.decode(b"?")
