"""Sources that change their tables: what the lake makes of it, and what people are told. docs/contracts.md says why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from conftest import Shop
from pyiceberg.exceptions import NoSuchTableError
from target_iceberg.messages.target import IncompleteStreamError

COLUMNS = {
    "order_id": "{type: bigint, required: true}",
    "status": "{type: text, required: true}",
    "fee": "{type: 'numeric(12,2)', required: true}",
    "note": "{type: text}",
    "updated_at": "{type: timestamptz, required: true}",
}


def contract(extra: str = "", **changed: str | None) -> str:
    """Return the contract of the fixture's orders, with columns changed, added, or left out (None)."""
    columns = {**COLUMNS, **changed}
    lines = [f"  {name}: {kind}" for name, kind in columns.items() if kind is not None]
    return "\n".join(["key: [order_id]", extra, "columns:", *lines, ""])


def change(shop: Shop, *statements: str, touch: str = "order_id <= 2") -> None:
    """Change the source's table, and then some of its rows, so that they are sent again."""
    shop.execute(*statements, f"update shop.orders set updated_at = now() where {touch}")


def types(shop: Shop, table: str = "orders") -> dict[str, str]:
    return {field.name: str(field.field_type) for field in shop.table(table).schema().fields}


def newest(shop: Shop, order_id: int = 1) -> dict[str, Any]:
    return [row for row in shop.rows("orders", "_loaded_at") if row["order_id"] == order_id][-1]


@pytest.fixture
def agreed(shop: Shop) -> Shop:
    """The shop, loaded once under its contract: nothing is open."""
    shop.contract(contract())
    shop.replicate()
    assert shop.findings() == {}
    return shop


# Columns


def test_new_column_is_added_and_named_until_the_contract_has_it(agreed: Shop) -> None:
    change(agreed, "alter table shop.orders add gift boolean not null default true")
    agreed.replicate()
    assert newest(agreed)["gift"] is True
    assert agreed.findings() == {("new_column", "gift"): "warn"}
    agreed.contract(contract(gift="boolean"))
    agreed.replicate()
    assert agreed.findings() == {}, "decided: the next run closes the finding, even without rows"


def test_dropped_column_stays_with_its_values(agreed: Shop) -> None:
    change(agreed, "alter table shop.orders drop column status")
    agreed.replicate()
    assert {row["status"] for row in agreed.rows("orders", "order_id")} == {"placed", None}
    assert agreed.findings() == {("missing_column", "status"): "warn"}
    agreed.contract(contract(status=None))
    agreed.replicate()
    assert agreed.findings() == {}


def test_renamed_column_is_a_dropped_one_and_a_new_one_and_the_message_says_so(agreed: Shop) -> None:
    change(agreed, "alter table shop.orders rename status to state")
    agreed.replicate()
    assert (newest(agreed)["status"], newest(agreed)["state"]) == (None, "placed")
    messages = [row["message"] for row in agreed.rows("findings", "kind") if row["kind"] == "missing_column"]
    assert ["renamed to state?" in message for message in messages] == [True]


def test_integer_becomes_bigint(shop: Shop) -> None:
    shop.execute("alter table shop.orders add quantity integer default 1")
    shop.contract(contract(quantity="integer"))
    shop.replicate()
    change(shop, "alter table shop.orders alter quantity type bigint", "update shop.orders set quantity = 5000000000")
    shop.replicate()
    assert newest(shop)["quantity"] == 5_000_000_000
    assert shop.findings() == {("type_widened", "quantity"): "warn"}
    shop.replicate()
    assert shop.findings() == {("type_widened", "quantity"): "warn"}, "the contract still says something else"
    shop.contract(contract(quantity="bigint"))
    shop.replicate()
    assert shop.findings() == {}


def test_numeric_gains_precision_and_loses_it_again(agreed: Shop) -> None:
    change(agreed, "alter table shop.orders alter fee type numeric(14,2)")
    agreed.replicate()
    change(agreed, "alter table shop.orders alter fee type numeric(8,2)")
    agreed.replicate()
    assert types(agreed)["fee"] == "decimal(14, 2)", "a narrower source fits into what is there"
    assert agreed.findings() == {}


def test_numeric_with_other_scale_gets_its_own_column(agreed: Shop) -> None:
    """More decimal places: rounding would lose money, and Iceberg can't change a scale."""
    change(agreed, "alter table shop.orders alter fee type numeric(12,4)", "update shop.orders set fee = 0.1234")
    agreed.replicate()
    row = newest(agreed)
    assert (row["fee"], row["fee__numeric_12_4"]) == (None, Decimal("0.1234"))
    assert agreed.findings() == {("type_changed", "fee"): "error"}


def text_instead_of_number(shop: Shop) -> None:
    change(shop, "alter table shop.orders alter fee type text using 'free'")
    shop.replicate()
    row = newest(shop)
    assert (row["fee"], row["fee__text"]) == (None, "free")
    older = [row["fee"] for row in shop.rows("orders", "_loaded_at")][:1000]
    assert sum(older) == Decimal("5005.00"), "the old values are all there"
    assert shop.findings() == {("type_changed", "fee"): "error"}


def test_number_becomes_text_and_the_contract_keeps_both(agreed: Shop) -> None:
    text_instead_of_number(agreed)
    agreed.contract(contract(fee__text="text"))
    agreed.replicate()
    assert agreed.findings() == {}


def test_number_becomes_text_and_the_contract_gives_text_the_name(agreed: Shop) -> None:
    text_instead_of_number(agreed)
    agreed.contract(contract(fee="text"))
    change(agreed, touch="order_id = 3")
    agreed.replicate()
    assert agreed.findings() == {}
    assert newest(agreed, 3)["fee"] == "free"
    first = next(row for row in agreed.rows("orders", "_loaded_at") if row["order_id"] == 3)
    assert (first["fee"], first["fee__numeric_12_2"]) == (None, Decimal("0.03"))
    assert newest(agreed, 1)["fee"] == "free", "what went to fee__text is in fee now"


def test_number_becomes_text_and_the_source_takes_it_back(agreed: Shop) -> None:
    text_instead_of_number(agreed)
    change(agreed, "alter table shop.orders alter fee type numeric(12,2) using 7")
    agreed.replicate()
    assert newest(agreed)["fee"] == Decimal("7.00")
    assert agreed.findings() == {}


def test_type_change_that_the_contract_forbids_loads_nothing_and_spares_other_streams(agreed: Shop) -> None:
    agreed.contract(contract("on_drift: {type_changed: fail}"))
    change(agreed, "alter table shop.orders alter fee type text", "create table shop.zoo (id int primary key)")
    with pytest.raises(IncompleteStreamError, match=r"stream orders: orders\.fee: the source now sends text"):
        agreed.replicate()
    assert agreed.count("orders") == 1000
    assert "fee__text" not in types(agreed)
    assert agreed.findings() == {("type_changed", "fee"): "fail"}
    assert agreed.count("zoo") == 0, "the other stream has its table"


def test_without_a_contract_a_changed_type_gets_its_own_column_too(shop: Shop) -> None:
    shop.replicate()
    text_instead_of_number(shop)


def test_time_zone_is_added(shop: Shop) -> None:
    """A time without a zone is no point in time: it can't become one without someone saying which zone was meant."""
    shop.execute("alter table shop.orders add paid_at timestamp default '2026-01-01 10:00'")
    shop.contract(contract(paid_at="timestamp"))
    shop.replicate()
    change(shop, "alter table shop.orders alter paid_at type timestamptz using paid_at at time zone 'Europe/Berlin'")
    shop.replicate()
    row = newest(shop)
    assert (row["paid_at"], row["paid_at__timestamptz"]) == (None, dt.datetime(2026, 1, 1, 9, tzinfo=dt.UTC))
    assert shop.findings() == {("type_changed", "paid_at"): "error"}


def test_nullable_and_not_null_again(agreed: Shop) -> None:
    change(agreed, "alter table shop.orders alter status drop not null", "update shop.orders set status = null")
    agreed.replicate()
    assert newest(agreed)["status"] is None
    assert agreed.findings() == {("nullable", "status"): "warn"}
    change(agreed, "update shop.orders set status = 'x'", "alter table shop.orders alter status set not null")
    agreed.replicate()
    assert agreed.findings() == {}
    assert not agreed.table("orders").schema().find_field("status").required, "older rows hold nulls"


def test_enum_gets_a_value(shop: Shop) -> None:
    shop.execute("create type shop.mood as enum ('calm')", "alter table shop.orders add mood shop.mood default 'calm'")
    shop.contract(contract(mood="text"))
    shop.replicate()
    shop.execute("alter type shop.mood add value 'wild'")
    change(shop, "update shop.orders set mood = 'wild'")
    shop.replicate()
    assert newest(shop)["mood"] == "wild"
    assert shop.findings() == {}


def test_json_changes_shape(shop: Shop) -> None:
    shop.execute("alter table shop.orders add document jsonb default '{\"a\": 1}'")
    shop.contract(contract(document="text"))
    shop.replicate()
    change(shop, "update shop.orders set document = '[1, {\"b\": null}]'")
    shop.replicate()
    assert newest(shop)["document"] == '[1, {"b": null}]'
    assert shop.findings() == {}


def test_text_that_the_contract_parses(shop: Shop) -> None:
    """`cast` is for sources that keep numbers in text: what is none is set aside, the rest arrives as numbers."""
    shop.execute("alter table shop.orders add weight text default '1.5'")
    shop.contract(contract(weight="{type: 'numeric(6,2)', cast: true}"))
    shop.replicate()
    assert newest(shop)["weight"] == Decimal("1.50")
    change(shop, "update shop.orders set weight = case when order_id = 1 then 'heavy' else '2' end")
    shop.replicate()
    assert newest(shop, 2)["weight"] == Decimal("2.00")
    (row,) = shop.quarantine()
    assert (row["stream"], row["key"], row["column"], row["value"]) == ("orders", '{"order_id": 1}', "weight", "heavy")
    assert shop.findings() == {("quarantined", ""): "warn"}


# Tables and keys


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
