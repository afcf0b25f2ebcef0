"""Rows of PostgreSQL that the lake's types can't hold: the rest arrives, they are set aside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Shop
from crash_processes import run
from tap_postgres_arrow.columns import UnrepresentableValueError

PATHS = [
    pytest.param({}, id="parquet"),
    pytest.param({"batch_config": None}, id="records"),
]
UNFIT = {
    # type in the source: values that don't fit, one that does
    "numeric(12,2)": (["NaN"], "1.50"),
    "numeric": (["NaN", "Infinity", "1e30", "0.0000000001"], "1.000000000100e2"),
    "date": (["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"], "9999-12-31"),
    "timestamp": (["infinity", "-infinity", "0044-03-15 BC", "294276-12-31"], "0001-01-01 00:00:00"),
    "timestamptz": (["infinity", "-infinity", "0044-03-15 BC", "10000-01-01 00:00:00+00"], "9999-12-31 23:59:59+00"),
}


@pytest.mark.parametrize("settings", PATHS)
@pytest.mark.parametrize("kind", UNFIT)
def test_values_that_do_not_fit_are_set_aside(shop: Shop, kind: str, settings: dict[str, Any]) -> None:
    """The engine reads NaN as 0, infinity as its greatest number, and wraps years that Arrow does not reach."""
    bad, good = UNFIT[kind]
    shop.execute(f"alter table shop.orders add x {kind}", f"update shop.orders set x = '{good}' where order_id = 500")
    for number, value in enumerate(bad, 1):
        shop.execute(f"update shop.orders set x = '{value}' where order_id = {number}")
    shop.replicate(**settings)
    assert [row["order_id"] for row in shop.rows("orders", "order_id")] == list(range(len(bad) + 1, 1001))
    found = sorted(shop.quarantine(), key=lambda row: json.loads(row["key"])["order_id"])
    assert [json.loads(row["key"]) for row in found] == [{"order_id": number} for number in range(1, len(bad) + 1)]
    assert {row["column"] for row in found} == {"x"}
    assert found[0]["value"] == bad[0]
    assert json.loads(found[0]["row"])["status"] == "placed"
    assert shop.findings() == {("quarantined", ""): "warn"}
    shop.replicate(**settings)
    assert (shop.count("orders"), len(shop.quarantine())) == (1000 - len(bad), len(bad)), "they are not sent again"


@pytest.mark.parametrize("layout", ["pipe", "arrow"])
def test_first_attempt_through_a_pipe_is_forgotten(shop: Shop, layout: str) -> None:
    """Tap and target as two processes: what the target has got of the first attempt must not stay beside the second."""
    shop.execute("alter table shop.orders add rate numeric(5,2) default 0")
    shop.execute("update shop.orders set rate = 'NaN' where order_id = 7")
    batches = {**shop.settings["batch_config"], "encoding": {"format": layout}}
    outcome = run({**shop.settings, "batch_config": batches}, {"namespace": shop.namespace}, {})
    assert outcome.complete, outcome.log
    assert [row["order_id"] for row in shop.rows("orders", "order_id")] == [n for n in range(1, 1001) if n != 7]
    assert [row["value"] for row in shop.quarantine()] == ["NaN"]
    files = Path(shop.table("orders").location().removeprefix("file://"), "data").glob("*.parquet")
    assert len(list(files)) == 1, "nor do its files"


def test_change_of_a_row_that_was_set_aside_brings_it_in(shop: Shop) -> None:
    shop.execute("alter table shop.orders add rate numeric default 1")
    shop.execute("update shop.orders set rate = 'NaN' where order_id = 7")
    shop.replicate()
    assert shop.count("orders") == 999
    shop.execute("update shop.orders set rate = 2, updated_at = now() where order_id = 7")
    shop.replicate()
    assert [row["rate"] for row in shop.rows("orders", "order_id") if row["order_id"] == 7] == [2]


def test_table_without_a_key_and_columns_that_are_not_selected(shop: Shop) -> None:
    """What is not selected must not come through the back door."""
    shop.execute(
        "create table shop.secrets (price numeric(5,2), pin text)",
        "insert into shop.secrets select 1, '1234' from generate_series(1, 5)",
        "insert into shop.secrets values ('NaN', '9999')",
    )
    shop.replicate()
    (row,) = shop.quarantine()
    assert (row["key"], json.loads(row["row"])) == ("{}", {"price": "NaN", "pin": "9999"})
    assert shop.count("secrets") == 5


def test_more_rows_than_can_be_set_aside_fail_the_stream(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_postgres_arrow.unfit.MOST_ROWS", 5)
    shop.execute("alter table shop.orders add rate numeric default 'NaN'")
    with pytest.raises(UnrepresentableValueError, match=r"shop\.orders: more than 5 rows don't fit.*column rate"):
        shop.extract()


def test_text_that_is_no_utf8_is_set_aside(new_shop: Callable[..., Shop]) -> None:
    """A database in SQL_ASCII takes any bytes, and the engine passes them on: readers of the lake would stumble."""
    shop = new_shop("template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    shop.execute(
        "create table shop.words (id int primary key, word text)",
        "insert into shop.words values (1, E'caf\\xc3\\xa9'), (2, E'caf\\xe9'), (3, null)",
    )
    shop.replicate()
    assert [(row["id"], row["word"]) for row in shop.rows("words", "id")] == [(1, "café"), (3, None)]
    (row,) = shop.quarantine()
    assert (row["key"], row["column"], row["value"]) == ('{"id":2}', "word", r"caf\351")


def test_row_of_a_database_that_takes_any_bytes_is_json(new_shop: Callable[..., Shop]) -> None:
    r"""Bytes written as \351 within JSON are no JSON: such a row could not be shown, and never be replayed."""
    shop = new_shop("template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    shop.execute(
        "create table shop.words (id text primary key, fee numeric(8,2), word text)",
        r"insert into shop.words values (E'caf\xc3\xa9', 'NaN', E'caf\xc3\xa9\n\\'), ('b', 1, E'caf\xe9')",
        "insert into shop.words values ('c', 2, 'x')",
    )
    shop.replicate()
    first, second = sorted(shop.quarantine(), key=lambda row: row["column"])
    assert json.loads(first["key"]) == {"id": "café"}
    assert json.loads(first["row"]) == {"id": "café", "fee": "NaN", "word": "café\n\\"}
    assert json.loads(second["row"]) == {"id": "b", "fee": 1.0, "word": r"caf\351"}
