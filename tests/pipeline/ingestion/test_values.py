"""A value is stored as it was sent, or set aside with the reason: as a record, and as a column of another type."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from conftest import Shop
from target_iceberg.messages.records import parsed, sift, to_batch
from target_iceberg.messages.singer import read_record
from target_iceberg.rows.values import json_text

BIGINT, NUMERIC, DOUBLE, REAL = pa.int64(), pa.decimal128(10, 2), pa.float64(), pa.float32()
TIMESTAMP, TIMESTAMPTZ, DATE = pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.date32()
NOON = dt.datetime(2026, 1, 1, 12)

TEXTS: list[tuple[pa.DataType, str, Any]] = [
    (BIGINT, "1000", 1000),
    (BIGINT, " -7 ", -7),
    (BIGINT, "1_000", None),
    (BIGINT, "007", None),
    (BIGINT, "+7", None),
    (BIGINT, "0x1F", None),
    (BIGINT, "9223372036854775808", None),
    (BIGINT, "1.5", None),
    (NUMERIC, "10.50", Decimal("10.50")),
    (NUMERIC, "1e3", Decimal("1000.00")),
    (NUMERIC, "1_0.5", None),
    (NUMERIC, "10.505", None),
    (NUMERIC, "123456789.00", None),
    (NUMERIC, "NaN", None),
    (NUMERIC, "Infinity", None),
    (DOUBLE, "0.1", 0.1),
    (DOUBLE, "0.10000000000000001", 0.1),
    (DOUBLE, "123456789012345680000", 1.2345678901234568e20),
    (DOUBLE, "Infinity", float("inf")),
    (DOUBLE, "1e400", None),
    (DOUBLE, "1e-400", None),
    (DOUBLE, "1234567890123456.78", None),
    (DOUBLE, "9007199254740993", None),
    (REAL, "1.5", 1.5),
    (REAL, "1e39", None),
    (REAL, "16777217", None),
    (TIMESTAMP, "2026-01-01T12:00:00", NOON),
    (TIMESTAMP, "2026-01-01 12:00:00.1234560", NOON.replace(microsecond=123456)),
    (TIMESTAMP, "2026-01-01T12:00:00+05:00", None),
    (TIMESTAMP, "2026-01-01T12:00:00Z", None),
    (TIMESTAMP, "2026-01-01T12:00:00.123456789", None),
    (TIMESTAMP, "20260101", None),
    (TIMESTAMPTZ, "2026-01-01T12:00:00+05:00", NOON.replace(hour=7, tzinfo=dt.UTC)),
    (TIMESTAMPTZ, "2026-01-01T12:00:00", NOON.replace(tzinfo=dt.UTC)),
    (TIMESTAMPTZ, "2026-01-01T12:00:00.123456789Z", None),
    (TIMESTAMPTZ, "0001-01-01T00:00:00+05:00", None),
    (TIMESTAMPTZ, "2026-01-01T24:00:00Z", None),
    (DATE, "2026-01-01", NOON.date()),
    (DATE, "2026-01-01T00:00:00Z", NOON.date()),
    (DATE, "2026-01-01T23:30:00-05:00", None),
    (DATE, "2026-01-01T00:00:00-05:00", None),
    (DATE, "2026-02-30", None),
    (DATE, "0000-01-01", None),
    (pa.bool_(), "true", True),
    (pa.bool_(), "yes", None),
]


def as_record(value: Any, kind: pa.DataType) -> Any:
    schema = pa.schema([("x", kind)])
    good, misfits = sift([{"x": value}], schema)
    assert [each.reason.startswith(f"does not fit {kind}") for each in misfits] == [True] * (1 - len(good))
    return to_batch("s", good, schema).column(0)[0].as_py() if good else None


def as_column(value: Any, kind: pa.DataType, held: pa.DataType | None = None) -> Any:
    array, wrong = parsed(pa.array([value], held), kind)
    assert array.type == kind
    assert list(wrong) == ([0] if array.null_count else [])
    return array[0].as_py()


@pytest.mark.parametrize("way", [as_record, as_column])
@pytest.mark.parametrize(("kind", "text", "wanted"), TEXTS)
def test_text_is_a_value_or_none(
    way: Callable[[Any, pa.DataType], Any], kind: pa.DataType, text: str, wanted: Any
) -> None:
    """Python reads `1_000`, Arrow `0x1F` and `1e400`; both cut times and drop offsets: none of them is asked first."""
    assert way(text, kind) == wanted


@pytest.mark.parametrize("way", [as_record, as_column])
def test_a_bad_neighbour_changes_no_value(way: Callable[[Any, pa.DataType], Any]) -> None:
    """Arrow parses a column as a whole, or row by row where one value is wrong: with the same answers."""
    for kind, text, wanted in TEXTS:
        array, _ = parsed(pa.array([text, "no value"]), kind)
        assert array[0].as_py() == wanted == way(text, kind)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        (DOUBLE, "1e400", None),
        (BIGINT, "1e400", None),
        (BIGINT, "1e999999999", None),
        (BIGINT, "2.0", 2),
        (BIGINT, "true", None),
        (BIGINT, "123456789012345678901234567890", None),
        (NUMERIC, "1.005", None),
        (NUMERIC, "1.10", Decimal("1.10")),
        (DOUBLE, "1234567890123456.78", None),
        (pa.bool_(), "1", None),
        (pa.string(), "1.50", "1.50"),
        (pa.string(), '{"price": 1.50, "n": [0.1, {"x": 100000000000000000000.25}], "t": "é"}', None),
    ],
)  # fmt: skip
def test_json_number_is_a_value_or_none(kind: pa.DataType, text: str, wanted: Any) -> None:
    value = read_record(f'{{"value": {text}}}', "a record")["value"]
    assert as_record(value, kind) == (text if text.startswith("{") else wanted)


@pytest.mark.parametrize(
    ("held", "value", "kind", "wanted"),
    [
        (pa.timestamp("us", "UTC"), NOON, TIMESTAMP, None),
        (pa.timestamp("us"), NOON, TIMESTAMPTZ, NOON.replace(tzinfo=dt.UTC)),
        (pa.timestamp("us"), NOON, DATE, None),
        (pa.timestamp("ns"), 1_000, TIMESTAMP, dt.datetime(1970, 1, 1, microsecond=1)),
        (pa.timestamp("ns"), 1_001, TIMESTAMP, None),
        (DOUBLE, 1.005, NUMERIC, None),
        (DOUBLE, 1.05, NUMERIC, Decimal("1.05")),
        (DOUBLE, float("nan"), BIGINT, None),
        (DOUBLE, 1e39, REAL, None),
        (pa.decimal128(18, 2), Decimal("1234567890123456.78"), DOUBLE, None),
        (BIGINT, 2**53 + 1, DOUBLE, None),
        (BIGINT, 2**31, pa.int32(), None),
        (pa.int32(), 7, NUMERIC, Decimal("7.00")),
        (pa.bool_(), True, BIGINT, None),
        (TIMESTAMPTZ, NOON, pa.string(), "2026-01-01T12:00:00+00:00"),
        (pa.struct([("a", DOUBLE)]), {"a": 1.5}, pa.string(), '{"a": 1.5}'),
    ],
)
def test_column_of_another_type(held: pa.DataType, value: Any, kind: pa.DataType, wanted: Any) -> None:
    """Arrow's cast rounds to a decimal, drops the offset and the time of day, and makes infinity of 1e39."""
    assert as_column(value, kind, held) == wanted


def test_json_keeps_numbers_and_is_written_in_one_way() -> None:
    """Numbers of nested objects were texts after the SDK's reader, so of every tap that does not write JSON itself."""
    text = '{"a": 1.50, "b": [1E+5, 12345678901234567890.123456789], "c": {"d": null, "e": true}}'
    assert json_text(json.loads(text, parse_float=Decimal)) == text
    assert json_text({"a": float("nan"), "b": dt.date(2026, 1, 1)}) == '{"a": "NaN", "b": "2026-01-01"}'


def test_offset_in_a_time_without_zone_is_set_aside(shop: Shop) -> None:
    """The contract's `timestamp`: 10:00+05:00 was stored as 10:00."""
    shop.contract(
        "key: [id]\ncolumns: {id: bigint, t: {type: timestamp, cast: true}}\nquarantine: {share: 100%}\n", "pets"
    )
    schema = {"properties": {"id": {"type": "integer"}, "t": {"type": ["string", "null"]}}}
    times = ["2026-01-01T10:00:00+05:00", "2026-01-01T10:00:00"]
    shop.load(
        [
            {"type": "SCHEMA", "stream": "pets", "key_properties": ["id"], "schema": schema},
            *({"type": "RECORD", "stream": "pets", "record": {"id": n, "t": time}} for n, time in enumerate(times)),
            {"type": "STATE", "value": {"bookmarks": {"pets": {"a": 1}}}},
        ]
    )
    assert [(row["id"], row["t"]) for row in shop.rows("pets", "id")] == [(1, dt.datetime(2026, 1, 1, 10))]
    (row,) = shop.quarantine()
    assert (row["value"], row["reason"]) == (
        times[0],
        "does not fit timestamp[us]: it has an offset, and the column none",
    )
