"""Sources that change their tables: what the lake makes of it, and what people are told. docs/contracts.md says why."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from conftest import Shop
from drifting import change, contract, loaded_once, newest, types
from target_iceberg.run import IncompleteStreamError


@pytest.fixture
def agreed(shop: Shop) -> Shop:
    return loaded_once(shop)


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
