"""Changes of the source's log as typed rows: what was written, and what was removed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
from headwater_tap import apart

from tap_postgres_arrow import unfit
from tap_postgres_arrow.arrow import arrow_type
from tap_postgres_arrow.columns import Column, UnrepresentableValueError
from tap_postgres_arrow.log_position import DELETED_AT, LSN
from tap_postgres_arrow.source import Table
from tap_postgres_arrow.spill import TableChanges
from tap_postgres_arrow.unsent import Texts, Unsent, batches

_ERRORS = (pa.ArrowException, ValueError, ArithmeticError, KeyError)


def from_snapshot(batches: Iterable[pa.RecordBatch], schema: pa.Schema, lsn: int) -> Iterator[pa.RecordBatch]:
    """Yield rows of a complete read as those of a stream that follows the log from `lsn` on, typed as `schema`."""
    # Before the first change that may follow, which is at `lsn`: the newest version of a row has the greatest.
    before = pa.scalar(lsn - 1, schema.field(LSN).type)
    for batch in batches:
        rows = batch.num_rows
        added = [pa.nulls(rows, schema.field(DELETED_AT).type), pa.repeat(before, rows)]
        yield pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)


class LoggedRows:
    """The changes of a table as rows in the order of their commits; `apart` are those that don't fit, as records of the
    stream `quarantine`, complete after the last batch.
    """

    def __init__(self, changes: TableChanges, table: Table, columns: tuple[Column, ...], unsent: Unsent) -> None:
        """Read `changes`, whose files are deleted once read. `columns` are the selected ones of the table's own."""
        self._changes, self._table, self._columns, self._unsent = changes, table, columns, unsent
        self._parsers = {column.name: parser(column) for column in columns}
        self.apart: list[dict[str, Any]] = []

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield them typed as `schema`. Raises SourceError for a value that the log does not repeat and nothing has,
        UnrepresentableValueError when more than unfit.MOST_ROWS rows don't fit.
        """
        for batch in batches(self._changes.files):
            found = {column.name: _texts(batch, column.name) for column in self._columns}
            self._unsent.fill(batch, found)
            try:
                arrays, rows = self._typed(found), batch
            except _ERRORS:
                keep = self._set_apart(found, batch.num_rows)
                arrays = self._typed({name: [texts[row] for row in keep] for name, texts in found.items()})
                rows = batch.take(pa.array(keep, pa.int64()))
            removed, at, lsn = (rows.column(name).to_pylist() for name in ("removed", "at", "lsn"))
            deleted = [time if gone else None for time, gone in zip(at, removed, strict=True)]
            arrays.append(pa.array(deleted, schema.field(DELETED_AT).type))
            arrays.append(pa.array(lsn, schema.field(LSN).type))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        for path in self._changes.files:
            path.unlink()

    def _typed(self, found: Texts) -> list[pa.Array]:
        """Return the columns' values. Raises one of _ERRORS where one does not fit."""
        arrays = []
        for column in self._columns:
            parse = self._parsers[column.name]
            values = [None if text is None else parse(text) for text in found[column.name]]
            arrays.append(pa.array(values, arrow_type(column)))
        return arrays

    def _set_apart(self, found: Texts, rows: int) -> list[int]:
        """Return the rows that fit; note the others."""
        reasons: dict[int, tuple[Column, str]] = {}
        for column in self._columns:
            parse, kind = self._parsers[column.name], arrow_type(column)
            for row, text in enumerate(found[column.name]):
                if text is not None and not _fits(parse, text, kind):
                    reasons.setdefault(row, (column, text))
        for row, (column, text) in reasons.items():
            values = {each.name: _plain(found[each.name][row], each) for each in self._columns}
            key = {name: values[name] for name in self._table.primary_key}
            reason = f"does not fit {column.type_name}"
            told = apart.record(self._table.stream, key, values, column=column.name, reason=reason, value=text)
            self.apart.append(told)
        if len(self.apart) > unfit.MOST_ROWS:
            raise UnrepresentableValueError(
                f"{self._table.relation}: more than {unfit.MOST_ROWS} changes don't fit, such as "
                f"{self.apart[0]['column']} = {self.apart[0]['value']!r}. "
                "Correct the column in the source, or deselect it."
            )
        return [row for row in range(rows) if row not in reasons]


def _texts(batch: pa.RecordBatch, name: str) -> list[str | None]:
    """Return a column's values; nulls where it was added only later, or is generated."""
    known = f"value:{name}"
    return batch.column(known).to_pylist() if known in batch.schema.names else [None] * batch.num_rows


def _fits(parse: Callable[[str], Any], text: str, kind: pa.DataType) -> bool:
    try:
        pa.array([parse(text)], kind)
    except _ERRORS:
        return False
    return True


def _plain(text: str | None, column: Column) -> Any:
    """Return a value for JSON, as PostgreSQL's row_to_json has it: what JSON has no number for is text."""
    if text is None or column.base_type not in {"bool", "int2", "int4", "int8"}:
        return text
    return parser(column)(text)


def parser(column: Column) -> Callable[[str], Any]:
    """Return what reads PostgreSQL's text of a type: ISO dates, `t` and `f`, plain numbers."""
    kind = arrow_type(column)
    parsers: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]], ...] = (
        (pa.types.is_boolean, {"t": True, "f": False}.__getitem__),
        (pa.types.is_integer, int),
        (pa.types.is_floating, float),
        (pa.types.is_decimal, _decimal),
        (pa.types.is_date, dt.date.fromisoformat),
        (pa.types.is_timestamp, dt.datetime.fromisoformat),
    )
    return next((parse for holds, parse in parsers if holds(kind)), str)


def _decimal(text: str) -> Decimal:
    """Return a number; ValueError for NaN and infinity, which pyarrow would take for null."""
    if not math.isfinite(value := Decimal(text)):
        raise ValueError(f"{text} is no number")
    return value
