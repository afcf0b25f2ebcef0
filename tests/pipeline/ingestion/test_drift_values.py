"""Names, sizes and values at the edge of what sources and the lake can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from conftest import Shop
from test_target import ID, singer

NAMES = [
    "select", "order", 'quotes "inside"', "it's", "two words", "dot.ted", "🐕 toys", "Größe", "UPPER", "a-b/c\\d",
    "1st", "_", "%s", "$1", "semi;colon", "x" * 63,
]  # fmt: skip


def test_names_of_columns_arrive_as_they_are(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    columns = ", ".join('"' + name.replace('"', '""') + '" int default 7' for name in NAMES)
    shop.execute(f"create table shop.things (id int primary key, {columns})", "insert into shop.things values (1)")
    shop.replicate()
    shop.execute('alter table shop.things add "new.one" int default 8')
    shop.replicate()
    (row,) = shop.rows("things", "id")
    assert {name: row[name] for name in NAMES} == dict.fromkeys(NAMES, 7)
    assert row["new.one"] == 8


def test_name_of_a_table_becomes_one_that_every_engine_takes(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    shop.execute(
        'create table shop."Order Details" (id int primary key)', 'insert into shop."Order Details" values (1)'
    )
    shop.replicate()
    assert shop.count("order_details") == 1


def test_name_of_200_characters(new_shop: Callable[[], Shop]) -> None:
    """No column of PostgreSQL has one; those of an API may."""
    shop, name = new_shop(), "field" * 40
    shop.load(singer({"id": 1, name: "x"}, schema={**ID, name: {"type": "string"}}))
    assert shop.rows("pets", "id")[0][name] == "x"


def test_names_that_differ_by_case_only_get_columns_that_differ_by_more(new_shop: Callable[[], Shop]) -> None:
    """Trino folds names: a table with Id and id could not be read at all."""
    shop = new_shop()
    whole = {"type": "integer"}
    for number in (1, 2):
        record = {"id": number, "Id": 2, "ID": 3}
        shop.load(singer(record, schema={"id": whole, "Id": whole, "ID": whole}))
    rows = shop.rows("pets", "id")
    assert [(row["id"], row["Id_2"], row["ID_3"]) for row in rows] == [(1, 2, 3), (2, 2, 3)]


def test_as_many_columns_as_the_source_can_have(new_shop: Callable[[], Shop]) -> None:
    shop, numbers = new_shop(), range(1, 1600)
    columns = ", ".join(f"c{number} int default {number}" for number in numbers)
    shop.execute(f"create table shop.wide (id int primary key, {columns})", "insert into shop.wide values (0)")
    shop.replicate()
    (row,) = shop.table("wide").scan().to_arrow().to_pylist()
    assert [row[f"c{number}"] for number in numbers] == list(numbers)


def test_ten_thousand_columns(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    names = [f"c{number}" for number in range(10_000)]
    schema = {**ID, **{name: {"type": ["null", "integer"]} for name in names}}
    shop.load(singer({"id": 1, names[-1]: 5}, schema=schema))
    table = shop.table("pets")
    assert len(table.schema().fields) == 10_002
    assert table.scan(selected_fields=("id", names[-1])).to_arrow().to_pylist() == [{"id": 1, names[-1]: 5}]


@pytest.mark.parametrize("settings", [{}, {"batch_config": None}], ids=["batch", "records"])
def test_row_of_60_megabytes(shop: Shop, settings: dict[str, None]) -> None:
    shop.execute("update shop.orders set note = repeat('0123456789', 6000000), updated_at = now() where order_id = 7")
    shop.replicate(**settings)
    notes = [row["note"] for row in shop.rows("orders", "order_id") if row["note"] is not None]
    assert [len(note) for note in notes] == [60_000_000]
    assert notes[0][-10:] == "0123456789"


def test_nul_of_an_api_is_a_character_like_others(new_shop: Callable[[], Shop]) -> None:
    """PostgreSQL has none in its texts; JSON may, and the lake takes it."""
    shop = new_shop()
    shop.load(singer({"id": 1, "name": "a\x00b"}, schema={**ID, "name": {"type": "string"}}))
    assert shop.rows("pets", "id")[0]["name"] == "a\x00b"


def test_nan_and_infinity_are_numbers_where_the_type_has_them(shop: Shop) -> None:
    shop.execute(
        "alter table shop.orders add x double precision", "update shop.orders set x = 'NaN' where order_id = 1"
    )
    shop.execute("update shop.orders set x = '-Infinity' where order_id = 2")
    shop.replicate()
    values = {row["order_id"]: row["x"] for row in shop.rows("orders", "order_id")}
    assert math.isnan(values[1])
    assert values[2] == -math.inf


@pytest.mark.parametrize("value", ["10000-01-01", "0000-01-01", "-0044-03-15", "soon", ""])
def test_date_of_an_api_that_is_none_is_set_aside(new_shop: Callable[[], Shop], value: str) -> None:
    shop = new_shop()
    shop.load(singer({"id": 1, "born": value}, {"id": 2, "born": "2026-01-31"},
                     schema={**ID, "born": {"type": "string", "format": "date"}}))  # fmt: skip
    assert [row["value"] for row in shop.quarantine()] == [value]
    assert [row["id"] for row in shop.rows("pets", "id")] == [2]


def test_number_beyond_64_bits_is_set_aside(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    shop.load(singer({"id": 1, "n": 2**63}, {"id": 2, "n": 2**63 - 1}, schema={**ID, "n": {"type": "integer"}}))
    assert [(row["column"], row["value"]) for row in shop.quarantine()] == [("n", str(2**63))]
    assert [row["n"] for row in shop.rows("pets", "id")] == [2**63 - 1]


def test_object_of_an_api_changes_shape(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    schema = {**ID, "address": {"type": ["object", "null"]}}
    shop.load(singer({"id": 1, "address": {"city": "Bonn"}}, schema=schema))
    shop.load(singer({"id": 2, "address": [{"city": None}]}, {"id": 3, "address": "Bonn"}, schema=schema))
    texts = [row["address"] for row in shop.rows("pets", "id")]
    assert texts[:2] == ['{"city": "Bonn"}', json.dumps([{"city": None}])]
    assert texts[2] == "Bonn"
