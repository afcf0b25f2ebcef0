"""Streams of other taps as the world sends them (streams/*.singer), read by DuckDB, compared with what was sent."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import reading
from conftest import Shop

FOLDER = Path(__file__).parent / "streams"


@dataclass
class Expected:
    """Columns → rows that are to be found, by key; key → part of the reason why a row is set aside."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    aside: dict[Any, str] = field(default_factory=dict)


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type]


EXPECTED = {
    "nested_numbers": Expected(
        ("id", "body"),
        [
            (1, '{"price": 1.50, "qty": 2, "nested": [0.1, {"x": 100000000000000000000.25}], "e": 1E+5}'),
            (2, '[[], {}, null, true, "é😀", "1.5"]'),
            (3, None),
            (4, None),
        ],
    ),
    "times": Expected(
        ("id", "at", "day"),
        [
            (1, utc(2026, 1, 1, 10, 0, 0, 123456), dt.date(2026, 1, 1)),
            (3, utc(2026, 1, 1, 4, 30, 0, 123456), None),
            (5, utc(9999, 12, 31, 23, 59, 59, 999999), dt.date(1, 1, 1)),
            (6, utc(1969, 12, 31, 23, 59, 59, 999999), None),
        ],
        {2: "finer than microseconds", 4: "a time of day", 7: "does not fit timestamp"},
    ),
    "names": Expected(
        ("Id", "ID_2", "select", "order by", "a.b", "é\"'`", "1st", "_"),
        [(1, "upper", "s", "o", "dot", "odd", "digit", "line"), (2, "again", *(None,) * 6)],
    ),
    "numbers": Expected(
        ("id", "whole", "cents", "rough"),
        [
            (1, 2**63 - 1, Decimal("0.10"), 0.1),
            (8, None, Decimal("123456789012345678901234567890123456.78"), None),
            (11, None, None, -1.7976931348623157e308),
            (12, None, None, -0.0),
            (14, 7, None, None),
        ],
        {
            2: "does not fit int64",
            3: "does not fit int64",
            4: "no whole number",
            5: "true or false",
            6: "no number",
            7: "does not fit decimal",
            9: "does not fit decimal",
            10: "beyond the greatest number",
            13: "more digits than the type has",
        },
    ),
    "grows": Expected(
        ("id", "a", "b", "b__text"),
        [
            (1, "one", None, None),
            (4, None, Decimal("0.3"), None),
            (5, None, Decimal("1.0"), None),
            (6, None, None, "text"),
        ],
        {2: "null, where", 3: "null, where"},
    ),
    "texts": Expected(
        ("id", "note"),
        [
            ("", ""),
            ("blank ", " \t\r\n"),
            ("bool", "true"),
            ("e\u0301", "e\u0301"),
            ("é", "😀\0\x1f\u2028"),
            ("\ud7ff" * 17, "7"),
        ],
    ),
}


def test_every_stream_of_the_folder_is_compared() -> None:
    assert {path.stem for path in FOLDER.glob("*.singer")} == set(EXPECTED)


@pytest.mark.parametrize("stream", EXPECTED)
@pytest.mark.parametrize("write", ["append", "merge"])
def test_what_is_read_is_what_was_sent(shop: Shop, stream: str, write: str) -> None:
    expected = EXPECTED[stream]
    key = expected.columns[0]
    shop.contract(f"key: [{key}]\nwrite: {write}\nquarantine: {{share: 100%}}\n", stream)
    text = (FOLDER / f"{stream}.singer").read_text(encoding="utf-8")
    shop.load(text)
    assert reading.rows(shop.table(stream), *expected.columns) == expected.rows
    aside = {json.loads(row["key"])[key]: row["reason"] for row in shop.quarantine()} if expected.aside else {}
    assert {key: expected.aside[key] in reason for key, reason in aside.items()} == dict.fromkeys(expected.aside, True)
    records = [json.loads(line) for line in text.splitlines() if '"RECORD"' in line]
    assert len(records) == len(expected.rows) + len(expected.aside)
