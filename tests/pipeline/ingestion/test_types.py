"""Every type arrives exactly, through batch files and through records."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from conftest import Shop
from tap_postgres_arrow.columns import Column, numeric_limits
from tap_postgres_arrow.engine import SourceError

PATHS = [pytest.param({}, id="batch"), pytest.param({"batch_config": None}, id="records")]

COLUMNS = {
    # name: (type in the source, its literal, type in Iceberg, value in Iceberg)
    "small": ("smallint", "-32768", "int", -32768),
    "plain": ("integer", "2147483647", "int", 2147483647),
    "large": ("bigint", "-9223372036854775808", "long", -9223372036854775808),
    "flag": ("boolean", "true", "boolean", True),
    "single": ("real", "1.5", "float", 1.5),
    "double": ("double precision", "0.1", "double", 0.1),
    "money": ("numeric(12,2)", "-1234567890.01", "decimal(12, 2)", Decimal("-1234567890.01")),
    "wide": ("numeric(38,18)", "12345678901234567890.123456789012345678", "decimal(38, 18)",
             Decimal("12345678901234567890.123456789012345678")),
    "whole": ("numeric(5,-2)", "12345", "decimal(7, 0)", Decimal("12300")),
    "free": ("numeric", "1.000000001", "decimal(38, 9)", Decimal("1.000000001")),
    "huge": ("numeric(50,0)", "12345678901234567890123456789012345678901234567890", "string",
             "12345678901234567890123456789012345678901234567890"),
    "day": ("date", "'0001-01-01'", "date", dt.date(1, 1, 1)),
    "zoned": ("timestamptz", "'2026-03-29 02:30:00.123456+05:30'", "timestamptz",
              dt.datetime(2026, 3, 28, 21, 0, 0, 123456, tzinfo=dt.UTC)),
    "local": ("timestamp", "'2026-03-29 02:30:00.000001'", "timestamp", dt.datetime(2026, 3, 29, 2, 30, 0, 1)),
    "words": ("text", "'Zoë 🐕 \"quoted\" \\ \t, line\n'", "string", 'Zoë 🐕 "quoted" \\ \t, line\n'),
    "padded": ("char(5)", "'ab'", "string", "ab   "),
    "id": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "document": ("jsonb", "'{\"a\": [1.10, null]}'", "string", '{"a": [1.10, null]}'),
    "list": ("integer[]", "'{1,2,NULL}'", "string", "{1,2,NULL}"),
    "bytes": ("bytea", "'\\x00ff'", "string", "\\x00ff"),
    "clock": ("time", "'23:59:59.999999'", "string", "23:59:59.999999"),
    "feeling": ("shop.mood", "'happy'", "string", "happy"),
    "price": ("shop.price", "9.99", "decimal(10, 2)", Decimal("9.99")),
    'select "x"': ("text", "'keyword and quotes'", "string", "keyword and quotes"),
}  # fmt: skip


@pytest.fixture
def typed(new_shop: Callable[[], Shop]) -> Shop:
    shop = new_shop()
    names = ['"' + name.replace('"', '""') + '"' for name in COLUMNS]
    declared = ", ".join(f"{name} {kind}" for name, (kind, *_) in zip(names, COLUMNS.values(), strict=True))
    shop.execute(
        "create type shop.mood as enum ('happy', 'sad')",
        "create domain shop.price as numeric(10,2) check (value > 0)",
        f"create table shop.things (thing_id bigint primary key, {declared}, removed text)",
        "alter table shop.things drop column removed",
        f"insert into shop.things values (1, {', '.join(literal for _, literal, *_ in COLUMNS.values())})",
        "insert into shop.things (thing_id) values (2)",
    )
    return shop


@pytest.mark.parametrize("settings", PATHS)
def test_types_and_values_arrive_exactly(typed: Shop, settings: dict[str, Any]) -> None:
    typed.replicate(**settings)
    schema = typed.table("things").schema()
    assert {name: str(schema.find_field(name).field_type) for name in COLUMNS} == {
        name: kind for name, (_, _, kind, _) in COLUMNS.items()
    }
    full, empty = typed.rows("things", "thing_id")
    assert {name: full[name] for name in COLUMNS} == {name: value for name, (*_, value) in COLUMNS.items()}
    assert all(empty[name] is None for name in COLUMNS)


def test_keys_and_not_null_reach_the_table(shop: Shop) -> None:
    shop.replicate()
    schema = shop.table("orders").schema()
    assert schema.identifier_field_names() == {"order_id"}
    assert {field.name for field in schema.fields if field.required} == {
        "order_id", "status", "fee", "updated_at", "_loaded_at",
    }  # fmt: skip
    assert str(schema.find_field("_loaded_at").field_type) == "timestamptz"


def test_key_order_is_the_keys_own(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    shop.execute("create table shop.lines (line int, order_id int, primary key (order_id, line))")
    (schema,) = [message for message in shop.extract() if message["type"] == "SCHEMA"]
    assert schema["key_properties"] == ["order_id", "line"]


def test_records_need_no_decimal_aware_reader(shop: Shop) -> None:
    """Another target sees plain JSON: numbers, and times in ISO 8601."""
    messages = shop.extract(batch_config=None)
    record = next(message["record"] for message in messages if message["type"] == "RECORD")
    assert json.loads(json.dumps(record)) == record
    assert isinstance(record["fee"], float)
    assert dt.datetime.fromisoformat(record["updated_at"]).tzinfo is not None


@pytest.mark.parametrize(
    ("typmod", "limits"), [(-1, (None, None)), (786438, (12, 2)), ((5 << 16 | (-2 & 0x7FF)) + 4, (5, -2))]
)
def test_numeric_limits(typmod: int, limits: tuple[int | None, int | None]) -> None:
    assert numeric_limits(typmod) == limits


def test_more_fractional_digits_than_precision() -> None:
    assert Column("x", "numeric", True, 2, 4).decimal == (4, 4)


def test_zero_is_not_taken_for_nan(shop: Shop) -> None:
    shop.execute("update shop.orders set fee = 0 where order_id = 7")
    shop.replicate()
    assert {row["fee"] for row in shop.rows("orders", "order_id") if row["order_id"] == 7} == {Decimal("0.00")}


def test_wrong_password_is_named_and_not_shown(shop: Shop) -> None:
    with pytest.raises(SourceError, match=r"PostgreSQL at 127\.0\.0\.1:.* as reader") as caught:
        shop.extract(password="not-the-pässword")
    assert "not-the-pässword" not in str(caught.value)
