"""Rows in Arrow: the exact type of each column, and what does not fit it."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tap_postgres_arrow.columns import Column, UnrepresentableValueError
from tap_postgres_arrow.source import Source, Table

READ_ROWS = 30_720
"""Most rows of a record batch: 15 of DuckDB's vectors, 4 MB of a table with 12 columns."""
READ_BYTES = 8 << 20
"""Size of a record batch that wide rows keep to; the engine's least is 2,048 rows."""

_TYPES = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "varchar": pa.string(),
}
# The years 1 to 9999 in days and microseconds since 1970; infinity, and what the engine wraps, is outside.
_DATE_RANGE = (-719_162, 2_932_896)
_TIMESTAMP_RANGE = (-719_162 * 86_400 * 10**6, 2_932_897 * 86_400 * 10**6 - 1)
_ZERO = pa.scalar(0)


def arrow_type(column: Column) -> pa.DataType:
    """Return the type of the column's values in batches."""
    return _TYPES[column.type_name] if column.decimal is None else pa.decimal128(*column.decimal)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Return the Arrow schema of a stream's batches."""
    return pa.schema([pa.field(column.name, arrow_type(column), column.nullable) for column in columns])


def conform(array: pa.Array, column: Column, relation: str) -> pa.Array:
    """Return `array`, as the driver read it, in the column's exact Arrow type.

    Raises UnrepresentableValueError with table, column and value when a value does not fit.
    """
    kind = arrow_type(column)
    if pa.types.is_temporal(kind):
        _check_range(array, column, relation)
    if array.type == kind:
        return array
    try:
        return pc.cast(array, kind)
    except pa.ArrowInvalid as error:
        value = _first_unfit(array, column)
        raise UnrepresentableValueError(
            f"{relation}, column {column.name}: value {value!r} does not fit {column.type_name}. "
            "Declare the column's precision and scale in the source, or deselect the column."
        ) from error


def _check_range(array: pa.Array, column: Column, relation: str) -> None:
    """Raise UnrepresentableValueError for infinity, and for times that Arrow's range lacks: the engine wraps them."""
    number = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
    limits = pc.min_max(array.cast(number))
    smallest, greatest = limits["min"].as_py(), limits["max"].as_py()
    if smallest is None:
        return
    low, high = _DATE_RANGE if number == pa.int32() else _TIMESTAMP_RANGE
    if smallest < low or greatest > high:
        raise UnrepresentableValueError(
            f"{relation}, column {column.name}: a value is infinity or outside of what {column.type_name} holds. "
            "Correct the value in the source, or deselect the column."
        )


def _first_unfit(array: pa.Array, column: Column) -> Any:
    """Return the first value that can't be cast on its own; only called after the whole array failed."""
    for value in array:
        try:
            pc.cast(pa.array([value.as_py()], array.type), arrow_type(column))
        except (pa.ArrowInvalid, decimal.DecimalException):
            return value.as_py()
    return None


def read(source: Source, table: Table, columns: tuple[Column, ...], condition: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the table's rows in batches, typed as `arrow_schema(columns)`.

    `condition` is a SQL condition or None for all rows. Raises SourceError when the source fails midway and
    UnrepresentableValueError when a value does not fit its type.
    """
    schema = arrow_schema(columns)
    suspects: set[Column] = set()
    rows = max(2_048, min(READ_ROWS, READ_BYTES // max(source.row_bytes(table), 1)))
    for batch in source.connection.stream(table.query(columns, condition), rows):
        arrays = []
        for array, column in zip(batch.columns, columns, strict=True):
            arrays.append(conform(array, column, table.relation))
            if column.hides_nan and column not in suspects and pc.any(pc.equal(array, _ZERO)).as_py():
                suspects.add(column)
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    source.check_nan(table, suspects, condition)
