"""A file's statistics hide no row from a query: of several row groups, with what a writer can't tell the bounds of."""

from __future__ import annotations

import datetime as dt
import io
import math
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reading
from headwater_contracts import Write
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import (
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)
from target_iceberg.commit.load import Load
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.types import LOADED_AT

ROWS = 6_144
GROUP = 2_048
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
COLUMNS = {
    "id": LongType(),
    "body": StringType(),
    "edge": StringType(),
    "finer": DoubleType(),
    "rough": FloatType(),
    "zero": DoubleType(),
    "sparse": DoubleType(),
    "price": DecimalType(12, 2),
    "wide": DecimalType(38, 4),
    "moment": TimestampType(),
    "instant": TimestamptzType(),
    "day": DateType(),
}
NAN, LONG = 3_000, 2_500
"""Rows of the second row group: in it the writers can't tell the bounds of floats, and of texts."""


def rows() -> pa.Table:
    """Three row groups; values ascend, so that each group's bounds are its own."""
    numbers = range(ROWS)
    epoch = dt.datetime(1969, 12, 31, 23, 59, 59)
    moments = [epoch + dt.timedelta(microseconds=1000 * number) for number in numbers]
    floats = [math.nan if number == NAN else float(number) for number in numbers]
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "body": ["z" * 20_000 if number == LONG else f"m{number:05d}" for number in numbers],
            "edge": ["a" * 15 + "\ud7ff" + "b" * (number % 3) if number else "a" for number in numbers],
            "finer": pa.array(floats, pa.float64()),
            "rough": pa.array(floats, pa.float32()),
            "zero": [-0.0 if number == 1 else 0.0 for number in numbers],
            "sparse": pa.array([None if number < 2 * GROUP else float(number) for number in numbers], pa.float64()),
            "price": pa.array([Decimal(number - 3000).scaleb(-2) for number in numbers], pa.decimal128(12, 2)),
            "wide": pa.array(
                [Decimal((number - 3000) * 10**30).scaleb(-4) for number in numbers], pa.decimal128(38, 4)
            ),
            "moment": pa.array(moments, pa.timestamp("us")),
            "instant": pa.array(moments, pa.timestamp("us", "UTC")),
            "day": [dt.date(1, 1, 1) + dt.timedelta(days=500 * number) for number in numbers],
        }
    )


QUERIES = {
    "body = 'm02600'": [2_600],
    "body = 'm05000'": [5_000],
    "body >= 'z'": [LONG],
    "edge > 'b'": [],
    "finer > 6140": [NAN, 6_141, 6_142, 6_143],
    "finer = 'nan'": [NAN],
    "finer = 2600": [2_600],
    "rough = 2600": [2_600],
    "rough = 'nan'": [NAN],
    "sparse = 4096": [4_096],
    "sparse is null and id < 2": [0, 1],
    "price = -30.00": [0],
    "price = 31.43": [6_143],
    "wide = -300000000000000000000000000000.0000": [0],
    "wide = 314300000000000000000000000000.0000": [6_143],
    "moment < '1970-01-01'": list(range(1_000)),
    "moment = '1970-01-01 00:00:05.143'": [6_143],
    "instant = '1970-01-01 00:00:05.143+00'": [6_143],
    "day = '0001-01-01'": [0],
    "day >= '8410-06-23'": [6_143],
}
"""Condition in SQL → ids, as PostgreSQL answers it: NaN is the greatest of floats there, as it is in DuckDB."""


def schema() -> Schema:
    fields = [
        NestedField(number, name, kind, required=name == "id") for number, (name, kind) in enumerate(COLUMNS.items(), 1)
    ]
    return Schema(
        *fields, NestedField(len(fields) + 1, LOADED_AT, TimestamptzType(), required=True), identifier_field_ids=[1]
    )


def begin(catalog: Catalog) -> Load:
    return Load(
        catalog, f"raw_{uuid.uuid4().hex}", "t", stream="t", run_id=str(uuid.uuid4()), loaded_at=NOW,
        schema=schema(), start=None,
    )  # fmt: skip


def by_arrow(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Table:
    """As records, merges, logs and files come: Arrow's writer."""
    monkeypatch.setattr("target_iceberg.files.datafile.MOST_ROWS_OF_A_GROUP", GROUP)
    load = begin(catalog)
    for batch in rows().to_batches(max_chunksize=512):
        load.write(batch)
    load.commit({"at": 1})
    return load._table


def through_the_pipe(catalog: Catalog, _monkeypatch: pytest.MonkeyPatch, folder: Path) -> Table:
    """As complete reads come: DuckDB's writer."""
    path = folder / "rows.parquet"
    with duckdb.connect() as connection:
        connection.register("t", rows())
        connection.execute(
            f"copy (select *, timestamptz '2026-01-01 00:00:00+00' as {LOADED_AT} from t) to '{path}'"
            f" (format parquet, row_group_size {GROUP})"
        )
    load = begin(catalog)
    (passage,) = load.receive([chunks(path.read_bytes())], {name: name for name in COLUMNS})
    assert passage.misfit is None
    load.adopt(passage, "a pipe")
    load.commit({"at": 1})
    return load._table


def chunks(content: bytes, size: int = 1 << 16) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.fixture(params=[by_arrow, through_the_pipe])
def table(
    request: pytest.FixtureRequest, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterable[Table]:
    made: Callable[[Catalog, pytest.MonkeyPatch, Path], Table] = request.param
    found = made(catalog, monkeypatch, tmp_path)
    (task,) = found.scan().plan_files()
    assert pq.read_metadata(task.file.file_path.removeprefix("file://")).num_row_groups == 3
    return found


def test_every_query_finds_its_rows(table: Table) -> None:
    """A row group without bounds was left out of the file's, and its rows were not found."""
    found = {query: [number for (number,) in reading.rows(table, "id", where=query)] for query in QUERIES}
    assert found == QUERIES


def test_second_engine_finds_them_too(table: Table) -> None:
    """pyiceberg leaves files out by their manifest's bounds alone. NaN is in no range there."""
    for query in (query for query in QUERIES if "nan" not in query and " and " not in query):
        wanted = [number for number in QUERIES[query] if "finer >" not in query or number != NAN]
        timed = (
            query.replace("1970-01-01'", "1970-01-01T00:00:00'")
            .replace("01-01 00", "01-01T00")
            .replace("+00", "+00:00")
        )
        found = sorted(table.scan(row_filter=timed, selected_fields=("id",)).to_arrow()["id"].to_pylist())
        assert found == wanted, query


def test_bounds_that_can_be_had_are_written(table: Table) -> None:
    """Files are left out by them: the price of a wrong bound is not that none is written."""
    (task,) = table.scan().plan_files()
    names = {field.field_id: field.name for field in table.schema().fields}
    bounded = {names[number] for number in task.file.lower_bounds}
    # DuckDB knows the bounds of long texts; Arrow's writer leaves them out.
    assert bounded | {"body"} == {*COLUMNS, LOADED_AT} - {"finer", "rough"} | {"body"}
    nan_counts = {names[number]: count for number, count in task.file.nan_value_counts.items()}
    assert nan_counts["zero"] == nan_counts["sparse"] == 0
    assert nan_counts.get("finer") in (1, None)
    zero = table.schema().find_field("zero").field_id
    assert task.file.lower_bounds[zero] == struct.pack("<d", -0.0)
    assert task.file.upper_bounds[zero] == struct.pack("<d", 0.0)


def test_files_of_another_engine_than_ours_have_no_bounds_of_floats(catalog: Catalog) -> None:
    """Only DuckDB leaves the bounds out where there is NaN: of any other file they may be those of its other values."""
    table = rows().append_column(LOADED_AT, pa.array([NOW] * ROWS, pa.timestamp("us", "UTC")))
    content = io.BytesIO()
    pq.write_table(table, content, row_group_size=GROUP, store_decimal_as_integer=True)
    load = begin(catalog)
    (passage,) = load.receive([chunks(content.getvalue())], {name: name for name in COLUMNS})
    load.adopt(passage, "a pipe")
    load.commit({"at": 1})
    assert reading.rows(load._table, "id", where="finer = 'nan' or zero = -0.0 and id = 1") == [(1,), (NAN,)]
    (task,) = load._table.scan().plan_files()
    names = {field.field_id: field.name for field in load._table.schema().fields}
    assert {names[number] for number in task.file.lower_bounds}.isdisjoint({"finer", "rough", "zero", "sparse"})


def test_replaced_rows_go_whatever_their_keys(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delete file with wrong bounds is not applied: two versions of a key would be there."""
    monkeypatch.setattr("target_iceberg.files.deletes.MOST_ROWS_OF_A_GROUP", 100)
    keys = ["a", *(f"k{number:03d}" for number in range(300)), "p" * 5_000, "q"]
    fields = (
        NestedField(1, "id", StringType(), required=True),
        NestedField(2, "version", LongType()),
        NestedField(3, LOADED_AT, TimestamptzType(), required=True),
    )
    namespace = f"raw_{uuid.uuid4().hex}"
    for version, sent in enumerate([["q"], keys, ["k299"]]):
        load = Load(
            catalog, namespace, "t", stream="t", run_id=str(uuid.uuid4()), loaded_at=NOW,
            schema=Schema(*fields, identifier_field_ids=[1]), start=None, mode=WriteMode(Write.MERGE), keys=("id",),
        )  # fmt: skip
        load.write(pa.RecordBatch.from_pydict({"id": sent, "version": pa.array([version] * len(sent), pa.int64())}))
        load.commit({"at": version})
    found = dict(reading.rows(load._table, "id", "version"))
    assert len(reading.rows(load._table, "id")) == len(found) == len(keys)
    assert (found["q"], found["a"], found["k299"]) == (1, 1, 2)
