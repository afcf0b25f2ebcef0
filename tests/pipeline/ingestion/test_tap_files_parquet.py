"""Values of Parquet: exactly as they are, or set aside; as text by one rule."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Shop
from exports import Exports
from tap_files.discover import discover
from tap_files.parquetvalues import far

DAY_US = 86_400_000_000


def put(exports: Exports, columns: dict[str, pa.Array], name: str = "t/1.parquet", **options: Any) -> None:
    pq.write_table(pa.table(columns), exports.put(name, ""), **options)


def column(exports: Exports, array: pa.Array, **options: Any) -> list[Any]:
    """Return the values of a column after it went through the lake."""
    put(exports, {"v": array}, **options)
    exports.replicate()
    return [row["v"] for row in exports.rows("t")]


U = uuid.UUID("9a75cf48-edce-4f3c-8a41-592c84a42537")


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([U.bytes, None], pa.uuid()), [str(U), None]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(['{"a": 1}', None], pa.json_(pa.string())), ['{"a": 1}', None]),
        (pa.array([1.5, None], pa.float16()), [1.5, None]),
        (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
        (pa.array([2**32 - 1, None], pa.uint32()), [2**32 - 1, None]),
        (pa.array([Decimal("1E+3")], pa.decimal256(60, 0)), ["1000"]),
        (pa.array([Decimal("-0.01")], pa.decimal128(38, 38)), [Decimal("-0.01")]),
        (pa.array([5_000_001], pa.time64("ns")), ["00:00:00.005000001"]),
        (pa.array([5_000_000], pa.time64("us")), ["00:00:05"]),
        (pa.array([1_500], pa.time32("ms")), ["00:00:01.500000"]),
        (pa.array([-1], pa.duration("us")), ["-PT0.000001S"]),
        (pa.array([None, None], pa.null()), [None, None]),
        (pa.array([1_000], pa.timestamp("ns")), [dt.datetime(1970, 1, 1, microsecond=1)]),
    ],
    ids=lambda each: str(each.type) if isinstance(each, pa.Array) else "",
)
def test_values_arrive_as_they_are(exports: Exports, array: pa.Array, values: list[Any]) -> None:
    assert column(exports, array) == values
    assert exports.quarantine() == []


def test_values_of_duckdb_arrive_as_they_are(exports: Exports) -> None:
    """An enum as base64; a uuid whose rows are all set aside."""
    with duckdb.connect() as duck:
        duck.execute("create type mood as enum ('sad', 'ok')")
        duck.execute(
            f"copy (select 'ok'::mood as e, '{U}'::uuid as u, '\\x00\\xFF'::blob as b) "
            f"to '{exports.put('t/1.parquet', '')}' (format parquet)"
        )
    exports.replicate()
    assert exports.values("t") == [("ok", str(U), "AP8=")]


def test_digits_below_the_microsecond_are_set_aside(exports: Exports) -> None:
    """One such value stops all streams of the source, without the file's name; or is cut."""
    at = pa.array([1_000_000_001, 2_000, None], pa.timestamp("ns", "UTC"))
    put(exports, {"id": pa.array([1, 2, 3]), "at": at})
    put(exports, {"id": pa.array([4])}, "other/1.parquet")
    exports.replicate()
    assert [(row["id"], row["at"] and row["at"].microsecond) for row in exports.rows("t")] == [(2, 2), (3, None)]
    (aside,) = exports.quarantine()
    assert (aside["column"], aside["value"]) == ("at", "1970-01-01T00:00:01.000000001+00:00")
    assert aside["reason"] == "does not fit timestamptz: years 1 to 9999, whole microseconds"
    assert exports.values("other") == [(4,)]


def test_times_of_96_bits_keep_their_years_and_lose_no_digit(exports: Exports) -> None:
    """Spark's and Impala's: beyond 2262 nanoseconds begin again at 1677; below the microsecond they are cut."""
    far = dt.datetime(2999, 12, 31, 23, 59, 59, 999999)
    put(exports, {"v": pa.array([far, dt.datetime(1500, 1, 1), None], pa.timestamp("us"))},
        use_deprecated_int96_timestamps=True)  # fmt: skip
    put(exports, {"v": pa.array([1_001, 2_000], pa.timestamp("ns"))}, "t/2.parquet",
        use_deprecated_int96_timestamps=True)  # fmt: skip
    exports.replicate()
    values = [row["v"] for row in exports.rows("t")]
    assert values == [far, dt.datetime(1500, 1, 1), None, dt.datetime(1970, 1, 1, microsecond=2)]
    assert [row["column"] for row in exports.quarantine()] == ["v"]


def test_years_that_no_reader_has_are_set_aside(exports: Exports) -> None:
    """Stored, and then every client of Trino fails on the table."""
    days = [-719_163, -719_162, 2_932_896, 2_932_897, None]
    times = [None if day is None else day * DAY_US for day in days]
    put(exports, {"d": pa.array(days, pa.date32()), "at": pa.array(times, pa.timestamp("us"))})
    exports.replicate()
    assert [row["d"] and row["d"].year for row in exports.rows("t")] == [1, 9999, None]
    aside = sorted((json.loads(row["row"])["d"], json.loads(row["row"])["at"]) for row in exports.quarantine())
    assert aside == [("0001-12-31 BC", "0001-12-31 00:00:00 BC"), ("10000-01-01", "10000-01-01 00:00:00")]


def test_a_day_of_any_year_is_written_as_postgresql_writes_it(shop: Shop) -> None:
    """A number of days since 1970: nobody sees which day that is."""
    days = [-2_440_588 + 1, -719_529, -719_528, -719_163, 2_932_897, 3_000_000, 106_000_000]
    texts = [far(pa.scalar(each, pa.date32())) for each in days]
    with shop.connect() as connection:
        wanted = [connection.execute("select (date '1970-01-01' + %s)::text", [each]).fetchone() for each in days]
    assert [(each,) for each in texts] == wanted
    moment = pa.scalar(2_932_897 * DAY_US + 3_723_000_400, pa.timestamp("us", "UTC"))
    assert far(moment) == "10000-01-01 01:02:03.0004+00"


def test_what_is_nested_is_json(exports: Exports) -> None:
    """Python's notation of bytes, a NaN that no reader of JSON takes, a map as a list of pairs."""
    kind = pa.struct(
        [
            ("b", pa.binary()), ("x", pa.list_(pa.float64())), ("d", pa.decimal128(38, 2)), ("t", pa.timestamp("ns")),
            ("u", pa.uuid()), ("f", pa.float32()), ("m", pa.map_(pa.string(), pa.list_(pa.int8()))), ("k", pa.bool_()),
        ]
    )  # fmt: skip
    floats = [float("nan"), float("inf"), float("-inf"), 0.1, None]
    value = {"b": b"ab", "x": floats, "d": Decimal("12345678901234567890.10"), "t": dt.datetime(2026, 1, 1),
             "u": U.bytes, "f": 0.1, "m": [("a", [1, None])], "k": True}  # fmt: skip
    storage = pa.array(
        [{**value, "u": U.bytes}, None], pa.struct([*(f for f in kind if f.name != "u"), ("u", pa.binary(16))])
    )
    fields = [storage.field(f.name) if f.name != "u" else pa.ExtensionArray.from_storage(pa.uuid(), storage.field("u"))
              for f in kind]  # fmt: skip
    nested = pa.StructArray.from_arrays(fields, fields=list(kind), mask=storage.is_null())
    first, second = column(exports, nested)
    assert second is None
    assert json.loads(first, parse_float=Decimal) == {
        "b": "YWI=", "x": ["NaN", "Infinity", "-Infinity", Decimal("0.1"), None],
        "d": Decimal("12345678901234567890.10"),
        "t": "2026-01-01T00:00:00", "u": str(U), "f": Decimal("0.1"), "m": {"a": [1, None]}, "k": True,
    }  # fmt: skip


def test_a_map_with_a_key_twice_is_set_aside(exports: Exports) -> None:
    """JSON's readers take the last of the two."""
    values = pa.array([[("a", 1), ("a", 2)], [("a", 1)]], pa.map_(pa.string(), pa.int64()))
    assert column(exports, values) == ['{"a": 1}']
    assert [row["column"] for row in exports.quarantine()] == ["v"]


def test_strings_that_no_writer_marked_are_text(exports: Exports) -> None:
    """Impala's and old Spark's: `03/01/09` as MDMvMDEvMDk=."""
    put(exports, {"s": pa.array([b"03/01/09", "Zoë".encode(), None]), "b": pa.array([b"\x00\x01", b"x", None])})
    notes = discover({"name": "x", "path": str(exports.root)}, {})["notes"]
    assert "t: b hold bytes, which are stored as base64" in notes
    exports.replicate()
    assert exports.values("t") == [("03/01/09", "AAE="), ("Zoë", "eA=="), (None, None)]
    put(exports, {"s": pa.array([b"\xff", b"y"]), "b": pa.array([b"only", b"text"])}, "t/2.parquet")
    exports.replicate()
    assert exports.values("t")[3:] == [("y", "dGV4dA==")], "what the first files decided holds"
    assert [(row["column"], row["value"]) for row in exports.quarantine()] == [("s", "/w==")]


def test_bytes_of_an_older_version_stay_base64(exports: Exports) -> None:
    """After an upgrade one column holds text and base64."""
    put(exports, {"s": pa.array([b"a"])})
    exports.replicate()
    del exports.state["bookmarks"]["t"]["bytes"]
    put(exports, {"s": pa.array([b"b"])}, "t/2.parquet")
    state = json.loads(exports.extract()[-1])
    assert state["value"]["bookmarks"]["t"]["bytes"] == {"s": False}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.list_(pa.string())])
def test_text_that_is_no_utf_8_is_set_aside(exports: Exports, kind: pa.DataType) -> None:
    """Writers check nothing: one Latin-1 text ended the run with no file in the message, or was stored as it is."""
    bad = pa.array([b"Gen\xe8ve", b"Wien"])
    wide = pa.array([b"Gen\xe8ve", b"Wien"], pa.large_binary())
    texts = pa.Array.from_buffers(pa.string(), 2, bad.buffers())
    if kind == pa.large_string():
        texts = pa.Array.from_buffers(kind, 2, wide.buffers())
    elif kind != pa.string():
        texts = pa.ListArray.from_arrays([0, 1, 2], texts)
    put(exports, {"id": pa.array([1, 2]), "v": texts})
    exports.replicate()
    assert [row["id"] for row in exports.rows("t")] == [2]
    (aside,) = exports.quarantine()
    assert (aside["column"], json.loads(aside["row"])["_file"]) == ("v", "t/1.parquet")
    assert "Gen\\xe8ve" in aside["value"] or kind == pa.list_(pa.string())
