"""Changes of the source's log as typed rows: what was written, and what was removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tap_postgres_arrow.arrow import arrow_type
from tap_postgres_arrow.changelog import DELETED_AT, TableChanges
from tap_postgres_arrow.columns import Column, UnrepresentableValueError, quoted
from tap_postgres_arrow.engine import literal
from tap_postgres_arrow.source import Source, Table


def from_snapshot(batches: Iterable[pa.RecordBatch], schema: pa.Schema, lsn: int) -> Iterator[pa.RecordBatch]:
    """Yield rows of a complete read as those of a stream that follows the log from `lsn` on, typed as `schema`."""
    for batch in batches:
        rows = batch.num_rows
        added = [pa.nulls(rows, schema.field(DELETED_AT).type), pa.repeat(pa.scalar(lsn, pa.int64()), rows)]
        yield pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)


def from_log(
    changes: TableChanges, source: Source, table: Table, columns: tuple[Column, ...], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield the changes in the order of their commits, typed as `schema`; files are deleted once read.

    `columns` are the table's own. Large values that an update left alone are taken from the source as it is now: what
    changed them since follows in a later row. Raises UnrepresentableValueError for a value that its type can't hold.
    """
    for path in changes.files:
        for batch in _batches(path):
            found = {column.name: _texts(batch, column.name) for column in columns}
            _fill(batch, found, source, table)
            arrays = [_typed(found[column.name], column, table) for column in columns]
            deleted = [at if gone else None for gone, at in zip(*_columns(batch, "removed", "at"), strict=True)]
            arrays += [pa.array(deleted, schema.field(DELETED_AT).type), batch.column("lsn")]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        path.unlink()


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as mapped:
        reader = pa.ipc.open_file(mapped)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def _columns(batch: pa.RecordBatch, *names: str) -> list[list[Any]]:
    return [batch.column(name).to_pylist() for name in names]


def _texts(batch: pa.RecordBatch, name: str) -> list[str | None]:
    """Return a column's values; nulls where it was added only later."""
    known = f"value:{name}"
    return batch.column(known).to_pylist() if known in batch.schema.names else [None] * batch.num_rows


def _fill(batch: pa.RecordBatch, found: dict[str, list[str | None]], source: Source, table: Table) -> None:
    """Put in the values that the log did not repeat. A row that is gone by now keeps nulls: its removal follows."""
    unsent = batch.column("unsent").to_pylist()
    wanted = {name for names in unsent for name in names if name in found}
    if not wanted:
        return
    key = [column for column in table.columns if column.name in table.primary_key]
    fetched = (*key, *(column for column in table.columns if column.name in wanted))
    keys = list(zip(*(found[column.name] for column in key), strict=True))
    needed = sorted({keys[index] for index, names in enumerate(unsent) if names})
    tuples = ", ".join("(" + ", ".join(literal(str(value)) for value in each) + ")" for each in needed)
    condition = f"({', '.join(quoted(column.name) for column in key)}) in ({tuples})"
    current: dict[tuple[str | None, ...], dict[str, str | None]] = {}
    for row in _texts_of(source, table, fetched, condition):
        current[tuple(row[column.name] for column in key)] = row
    for index, names in enumerate(unsent):
        row = current.get(keys[index], {})
        for name in names:
            if name in found:
                found[name][index] = row.get(name)


def _texts_of(source: Source, table: Table, columns: tuple[Column, ...], condition: str) -> list[dict[str, str | None]]:
    """Return the values of rows as PostgreSQL prints them, by column."""
    items = ", ".join(f"{quoted(column.name)}::text as {quoted(column.name)}" for column in columns)
    rows = source.connection.query(f"select {items} from {table.sql} where {condition}")  # noqa: S608
    return [dict(zip([column.name for column in columns], row, strict=True)) for row in rows]


def _typed(values: list[str | None], column: Column, table: Table) -> pa.Array:
    parse = _parser(column)
    try:
        return pa.array([None if value is None else parse(value) for value in values], arrow_type(column))
    except (pa.ArrowException, ValueError, ArithmeticError, OverflowError) as error:
        value = next(value for value in values if value is not None and not _fits(parse, value, column))
        raise UnrepresentableValueError(
            f"{table.relation}, column {column.name}: value {value!r} of the log does not fit {column.type_name}. "
            "Correct the value in the source and read the table in full once (headwater-ingest --full-refresh), or "
            "deselect the column."
        ) from error


def _fits(parse: Callable[[str], Any], value: str, column: Column) -> bool:
    try:
        pa.array([parse(value)], arrow_type(column))
    except (pa.ArrowException, ValueError, ArithmeticError, OverflowError):
        return False
    return True


def _parser(column: Column) -> Callable[[str], Any]:
    """Return what reads PostgreSQL's text of a type: ISO dates, `t` and `f`, plain numbers."""
    kind = arrow_type(column)
    parsers: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]], ...] = (
        (pa.types.is_boolean, {"t": True, "f": False}.__getitem__),
        (pa.types.is_integer, int),
        (pa.types.is_floating, float),
        (pa.types.is_decimal, Decimal),
        (pa.types.is_date, dt.date.fromisoformat),
        (pa.types.is_timestamp, dt.datetime.fromisoformat),
    )
    return next((parse for holds, parse in parsers if holds(kind)), str)
