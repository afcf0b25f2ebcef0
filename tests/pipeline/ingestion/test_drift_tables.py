"""Sources that empty, drop or make anew a table, or change its key: what the lake keeps, and what people are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Shop
from drifting import change, contract, loaded_once, newest
from pyiceberg.exceptions import NoSuchTableError
from target_iceberg.run import IncompleteStreamError


@pytest.fixture
def agreed(shop: Shop) -> Shop:
    return loaded_once(shop)


def test_emptied_table_that_is_read_completely_keeps_its_rows_until_the_contract_agrees(shop: Shop) -> None:
    shop.execute("create table shop.tags (tag text primary key)", "insert into shop.tags values ('a'), ('b')")
    shop.contract("key: [tag]", "tags")
    shop.replicate()
    shop.execute("delete from shop.tags")
    with pytest.raises(IncompleteStreamError, match="tags: the source's table is empty, and was not"):
        shop.replicate()
    assert shop.count("tags") == 2
    assert shop.findings() == {("emptied", ""): "fail"}
    shop.contract("key: [tag]\non_drift: {emptied: accept}", "tags")
    shop.replicate()
    assert shop.count("tags") == 0
    assert shop.findings() == {}


def test_emptied_table_that_is_read_incrementally_keeps_its_log(agreed: Shop) -> None:
    agreed.execute("truncate shop.orders")
    agreed.replicate()
    assert agreed.count("orders") == 1000


def test_dropped_table_keeps_its_rows(agreed: Shop) -> None:
    """That a stream is gone is the entry point's to say: see test_ingest."""
    agreed.execute("drop table shop.orders", "create table shop.other (id int primary key)")
    agreed.replicate()
    assert agreed.count("orders") == 1000


def test_table_recreated_with_another_key_is_refused_until_the_contract_agrees(agreed: Shop) -> None:
    agreed.execute(
        "drop table shop.orders",
        "create table shop.orders (id uuid primary key default gen_random_uuid(), status text not null,"
        " fee numeric(12,2) not null, note text, updated_at timestamptz not null default now())",
        "insert into shop.orders (status, fee) values ('new', 1)",
    )
    with pytest.raises(IncompleteStreamError, match=r"the source's key is now \(id\), expected is \(order_id\)"):
        agreed.replicate()
    assert agreed.count("orders") == 1000
    agreed.contract(contract("on_drift: {key_changed: accept}", order_id=None, id="text").replace("[order_id]", "[id]"))
    agreed.replicate()
    new = [row for row in agreed.rows("orders", "_loaded_at") if row["status"] == "new"]
    assert [row["order_id"] for row in new] == [None]
    assert agreed.count("orders") == 1001
    assert agreed.findings() == {}


def test_table_recreated_as_it_was_is_read_to_its_end(agreed: Shop) -> None:
    agreed.execute(
        "drop table shop.orders",
        "create table shop.orders (order_id bigint primary key, status text not null, fee numeric(12,2) not null,"
        " note text, updated_at timestamptz not null)",
        "insert into shop.orders values (1, 'again', 1, null, now() - interval '10 minutes')",
    )
    agreed.replicate()
    assert newest(agreed)["status"] == "again"


def test_key_that_the_source_gives_up_is_still_the_key_and_duplicates_are_told(agreed: Shop) -> None:
    change(
        agreed,
        "alter table shop.orders drop constraint orders_pkey",
        "insert into shop.orders select order_id, 'twice', fee, note, now() from shop.orders where order_id = 1",
    )
    agreed.replicate()
    assert agreed.findings() == {("key_dropped", ""): "warn", ("duplicate_key", ""): "error"}
    assert agreed.table("orders").schema().identifier_field_names() == {"order_id"}
    assert agreed.count("orders") == 1003, "nothing is lost: the models choose one row a key"


def test_key_changed_in_place_is_a_new_row_beside_the_old(agreed: Shop) -> None:
    """Without the source's log nothing tells that 1 became 5001: the old key stays, like a deleted row."""
    change(agreed, "update shop.orders set order_id = 5001 where order_id = 1", touch="order_id = 5001")
    agreed.replicate()
    assert {1, 5001} <= {row["order_id"] for row in agreed.rows("orders", "order_id")}


def test_clock_of_the_source_goes_back(agreed: Shop) -> None:
    """Rows written after the clock was set back are dated before those that were read: they are new all the same."""
    agreed.execute(
        "update shop.orders set updated_at = now() - interval '20 hours', status = 'late' where order_id = 1",
        "insert into shop.orders values (2001, 'late', 1, null, now() - interval '20 hours')",
    )
    agreed.replicate()
    assert agreed.count("orders") == 1002


def test_stream_that_fails_says_so_in_the_findings(shop: Shop, new_shop: Callable[[], Shop]) -> None:
    shop.contract("keys: [order_id]")
    with pytest.raises(IncompleteStreamError, match=r"contracts/shop/orders\.yml: unknown key 'keys'"):
        shop.replicate()
    assert shop.findings() == {("failed", ""): "fail"}
    with pytest.raises(NoSuchTableError):
        shop.table("orders")
