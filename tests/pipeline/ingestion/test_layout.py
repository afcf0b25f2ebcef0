"""A contract's `partition` and `sort`: spec and order of the table, values in its manifests, rows in its files."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import reading
from conftest import Shop
from headwater_contracts import ContractError
from laid_out import ARROW, TYPES, Sales, data_files, rows_of, some_sales
from pyiceberg.table import Table
from pyiceberg.transforms import TruncateTransform
from pyiceberg.types import DecimalType
from target_iceberg.files import clustering, part
from target_iceberg.run import IncompleteStreamError


@pytest.fixture
def sales(new_shop: Callable[[], Shop]) -> Sales:
    return Sales(new_shop())


def test_table_gets_the_contracts_spec_and_order(sales: Sales) -> None:
    """Both were parsed and ignored: the table was neither partitioned nor sorted, and nothing said so."""
    sales.load("partition: [month(seen), 'bucket(4, id)', status]\nsort: [seen desc, id]", some_sales(100))
    assert sales.layout() == (
        ["seen_month: month of seen", "id_bucket_4: bucket[4] of id", "status: identity of status"],
        ["seen DESC NULLS LAST", "id ASC NULLS FIRST"],
    )
    assert sales.shop.count("sales") == 100
    assert {file.sort_order_id for file in data_files(sales.table)} == {sales.table.sort_order().order_id}
    assert len(sales.table.snapshots()) == 1


def transformed(table: Table, number: int, value: Any) -> Any:
    """Return what Iceberg's reference in Python makes of a value, for the spec's `number`th field."""
    field = table.spec().fields[number]
    kind = table.schema().find_field(field.source_id).field_type
    if isinstance(kind, DecimalType) and isinstance(field.transform, TruncateTransform) and value is not None:
        unscaled = int(value.scaleb(kind.scale))
        return Decimal(unscaled - unscaled % field.transform.width).scaleb(-kind.scale)
    found = field.transform.transform(kind)(value)
    if isinstance(found, dt.datetime):
        return (found.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    return (found - dt.date(1970, 1, 1)).days if isinstance(found, dt.date) else found


@pytest.mark.parametrize(
    "fields",
    [
        ("year(at)", "month(day)", "bucket(3, status)"),
        ("hour(seen)", "truncate(2, status)", "paid"),
        ("truncate(10, small)", "bucket(5, amount)", "day"),
        ("day(at)", "truncate(50, amount)", "bucket(2, seen)"),
        ("amount", "bucket(2, day)", "bucket(2, small)"),
        ("at", "seen", "status"),
        ("small", "month(seen)", "day(day)"),
    ],
)
def test_every_row_is_in_the_partition_that_engines_look_in(sales: Sales, fields: tuple[str, ...]) -> None:
    """A partition value that is one off (before 1970, null, a decimal) hides the row from whoever filters."""
    rows = some_sales(150)
    sales.load(f"partition: [{', '.join(repr(each) for each in fields)}]", rows)
    table, found = sales.table, 0
    sources = [table.schema().find_field(each.source_id).name for each in table.spec().fields]
    partitions = set()
    for file in data_files(table):
        partitions.add(str(file.partition))
        for row in rows_of(table, file).to_pylist():
            expected = [transformed(table, number, row[name]) for number, name in enumerate(sources)]
            assert [file.partition[number] for number in range(3)] == expected, row
            found += 1
    assert found == len(rows)
    assert len(partitions) == len(data_files(table)), "one file a partition and part"
    check_queries(table, rows, sources)


def check_queries(table: Table, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Ask pyiceberg and DuckDB for rows by a value of each column, and compare with the rows themselves."""
    chosen = random.Random(5)
    for number, column in enumerate(columns):
        some = [row[column] for row in rows if row[column] is not None]
        if str(table.spec().fields[number].transform) in {"day", "month"} and isinstance(some[0], dt.datetime):
            # DuckDB 1.5.5 looks for a time before 1970 in another partition (duckdb/duckdb-iceberg#1361).
            some = [value for value in some if value.year >= 1970]
        for value in chosen.sample(some, 2):
            literal = f"'{value}'" if not isinstance(value, int | Decimal) else str(value).lower()
            iso = f"'{value.isoformat()}'" if isinstance(value, dt.date) else literal
            for sign in ("=",) if isinstance(value, bool) else ("=", "<"):
                held = [row for row in rows if row[column] is not None]
                found = (row for row in held if (row[column] == value if sign == "=" else row[column] < value))
                expected = sorted(row["id"] for row in found)
                assert scanned(table, f"{column} {sign} {iso}") == expected, f"pyiceberg: {column} {sign} {iso}"
                assert ids(table, f'"{column}" {sign} {literal}') == expected, f"DuckDB: {column} {sign} {literal}"
        missing = sorted(row["id"] for row in rows if row[column] is None)
        assert scanned(table, f"{column} is null") == ids(table, f'"{column}" is null') == missing


def scanned(table: Table, condition: str) -> list[int]:
    """Return what pyiceberg finds."""
    return sorted(table.scan(row_filter=condition, selected_fields=("id",)).to_arrow()["id"].to_pylist())


def ids(table: Table, condition: str = "true") -> list[int]:
    """Return what DuckDB finds."""
    return [number for (number,) in reading.rows(table, "id", where=condition)]


def place_in_order(value: Any, *, descending: bool, nulls_first: bool) -> tuple[Any, ...]:
    """Return what sorts as Iceberg says: NaN is greater than all numbers, nulls are where the order says."""
    if value is None:
        return (0 if nulls_first else 2,)
    number = (math.isnan(value), 0.0 if math.isnan(value) else value) if isinstance(value, float) else (False, value)
    return (1, *((not number[0], -number[1]) if descending else number))


@pytest.mark.parametrize(
    ("order", "descending", "nulls_first"),
    [("asc", False, True), ("desc", True, False), ("asc nulls last", False, False), ("desc nulls first", True, True)],
)
@pytest.mark.parametrize("column", ["ratio", "amount"])
def test_rows_of_a_file_are_in_the_contracts_order(
    sales: Sales, column: str, order: str, descending: bool, nulls_first: bool
) -> None:
    """Engines rely on the order that a file says it has; Arrow's own puts NaN and nulls elsewhere."""
    sales.load(f"sort: [{column} {order}, id desc]", some_sales(100))
    (file,) = data_files(sales.table)
    rows = rows_of(sales.table, file).to_pylist()
    expected = sorted(rows, key=lambda row: (
        place_in_order(row[column], descending=descending, nulls_first=nulls_first), -row["id"],
    ))  # fmt: skip
    assert [row["id"] for row in rows] == [row["id"] for row in expected]


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        ("partition: [day(status)]", "sales.yml, partition: 'day(status)' is not possible; status is text: use status, "
                                     "bucket(n, status), truncate(n, status)"),
        ("partition: [hour(day)]", "day is date: use day, year(day), month(day), day(day), bucket(n, day)"),
        ("partition: [ratio]", "ratio is double: partition by another column"),
        ("partition: ['bucket(4, paid)']", "paid is boolean: use paid"),
        ("partition: ['truncate(4, seen)']", "seen is timestamptz: use seen, year(seen), month(seen), day(seen)"),
        ("partition: [region]", "partition: 'region' is not possible; there is no column region; the table has id,"),
        ("sort: [region desc]", "sort: 'region desc nulls last' is not possible; there is no column region"),
        ("partition: [day(seen), month(seen)]", "'month(seen)' is not possible; day(seen) cuts seen already"),
        ("sort: [id, id desc]", "sort: 'id asc nulls first' is not possible; name id once"),
    ],
)  # fmt: skip
def test_layout_that_can_not_be_is_refused_before_anything_is_changed(
    sales: Sales, contract: str, message: str
) -> None:
    with pytest.raises((ContractError, IncompleteStreamError)) as error:
        sales.load(contract, some_sales(3))
    assert message in str(error.value)
    assert not sales.exists


def test_layout_changes_with_the_contract_and_old_files_stay(sales: Sales) -> None:
    """A table that was there before its contract had `partition`; then other fields; then none."""
    rows = some_sales(40)
    sales.load("", rows[:10])
    assert sales.layout() == ([], [])
    sales.load("partition: [day(at), 'bucket(2, id)']\nsort: [id]", rows[10:20])
    assert sales.layout() == (["at_day: day of at", "id_bucket_2: bucket[2] of id"], ["id ASC NULLS FIRST"])
    sales.load("partition: [status, 'bucket(2, id)']", rows[20:30])
    assert sales.layout() == (["id_bucket_2: bucket[2] of id", "status: identity of status"], ["id ASC NULLS FIRST"])
    sales.load("", rows[30:35])  # says nothing: the table keeps what it has
    assert len(sales.layout()[0]) == 2
    sales.load("partition: []\nsort: []", rows[35:])
    assert sales.layout() == ([], [])
    by_spec: dict[int, int] = {}
    for file in data_files(sales.table):
        by_spec[file.spec_id] = by_spec.get(file.spec_id, 0) + file.record_count
    assert by_spec == {0: 15, 1: 10, 2: 15}
    assert ids(sales.table) == scanned(sales.table, "id >= 0") == list(range(40))
    for row in rows[::7]:
        condition = "status is null" if row["status"] is None else f"status = '{row['status']}'"
        expected = [each["id"] for each in rows if each["status"] == row["status"]]
        assert ids(sales.table, condition) == scanned(sales.table, condition) == expected


def test_layout_that_stays_costs_no_commit(sales: Sales) -> None:
    """A run without changes makes no metadata: the contract's order of fields is not the table's."""
    sales.load("partition: ['bucket(2, id)', day(_loaded_at)]\nsort: [id, _loaded_at desc]", some_sales(5))
    before = sales.table.metadata_location
    sales.load("partition: [day(_loaded_at), 'bucket(2, id)']\nsort: [id, _loaded_at desc]", [])
    assert sales.table.metadata_location == before


def test_column_of_a_partition_fields_name_is_refused(sales: Sales) -> None:
    """Iceberg's library reads no table in which a column has the name of a partition field: all of it would be lost."""
    sales.load("partition: [day(at)]", some_sales(3))
    before = sales.table.metadata_location
    more = {**TYPES, "at_day": {"type": ["string", "null"]}}
    schema = ARROW.append(pa.field("at_day", pa.string()))
    with pytest.raises(IncompleteStreamError, match="can't have a column at_day: one of its partition fields"):
        sales.load("partition: [day(at)]", some_sales(3), properties=more, schema=schema)
    assert sales.table.metadata_location == before


def test_partition_column_may_be_widened(sales: Sales) -> None:
    """Manifests of before hold its values in the narrow type, also when they are merged into one."""
    rows = [{**row, "small": 7, "amount": Decimal("1.25")} for row in some_sales(4)]
    contract = "partition: [small, amount, 'bucket(4, small)']"
    sales.load(contract, rows[:2])
    with sales.table.transaction() as transaction:
        transaction.set_properties({"commit.manifest.min-count-to-merge": "2"})
    wide = {**TYPES, "small": {"type": ["integer", "null"]}, "amount": {
        **TYPES["amount"], "x-sql-datatype-properties": {"precision": 20, "scale": 2}}}  # fmt: skip
    schema = ARROW.set(1, pa.field("small", pa.int64())).set(2, pa.field("amount", pa.decimal128(20, 2)))
    sales.load(contract, rows[2:3], properties=wide, schema=schema)
    sales.load(contract, [{**rows[3], "small": 2**40, "amount": Decimal("123456789012345678.25")}], properties=wide,
               schema=schema)  # fmt: skip
    assert (
        ids(sales.table, "small = 7 and amount = 1.25")
        == scanned(sales.table, "small = 7 and amount = 1.25")
        == [0, 1, 2]
    )
    assert ids(sales.table, f"small = {2**40}") == scanned(sales.table, f"small = {2**40}") == [3]


def test_memory_is_bounded_and_every_file_is_whole(sales: Sales, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of many partitions, in any order, more than may be held: several files a partition, each in order."""
    rows = some_sales(600)
    size = pa.Table.from_pylist(rows, ARROW).nbytes
    held: list[int] = []
    take = clustering.Held.take

    def watched(self: clustering.Held, *, everything: bool) -> Any:
        held.append(self._bytes)
        return take(self, everything=everything)

    monkeypatch.setattr(clustering.Held, "take", watched)
    monkeypatch.setattr(clustering, "BUFFER_BYTES", size // 8)
    monkeypatch.setattr("target_iceberg.messages.batches.READ_ROWS", 20)
    sales.load("partition: ['bucket(5, id)']\nsort: [seen desc]", rows)
    assert max(held) < size // 8 + size // 20, "held more than the limit and one batch"
    assert len(held) > 6
    files = data_files(sales.table)
    assert 5 < len(files) < 45
    for file in files:
        found = [row["seen"] for row in rows_of(sales.table, file).to_pylist()]
        assert found == sorted((each for each in found if each), reverse=True) + [None] * found.count(None)
    assert ids(sales.table) == list(range(600))


def test_partition_that_is_far_too_fine_fails_the_load(sales: Sales, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file for each row is a table that nobody can read; say so instead of writing for hours."""
    monkeypatch.setattr(part, "MOST_FILES", 20)
    with pytest.raises(IncompleteStreamError, match=r"would write more than 20 files.*coarser `partition`"):
        sales.load("partition: [id]", some_sales(30))
    assert sales.shop.count("sales") == 0


def test_truncated_value_below_the_type_is_refused(sales: Sales) -> None:
    """It wraps around to the greatest number: whoever asks for small ones would not find it."""
    with pytest.raises(IncompleteStreamError, match=r"small: -2147483648 can't be partitioned by truncate\[10\]"):
        sales.load("partition: ['truncate(10, small)']", [{**some_sales(1)[0], "small": -(2**31)}])
