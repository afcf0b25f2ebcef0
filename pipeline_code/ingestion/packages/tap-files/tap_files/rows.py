"""Rows of text in the types of their columns; rows that don't fit are set aside. DuckDB does both in one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from headwater_contracts import ColumnType

from tap_files.inference import by_kind, long, plain
from tap_files.types import TEXT, arrow_type, parsed

READ_ROWS = 30_720
"""Most rows of a batch."""
ROW = "_row"


@dataclass(frozen=True)
class Misfit:
    """A row, or a line that is none, which can't be sent.

    row: its number in the file, None for a line that is no row. column: empty where no single one is wrong. text: the
    row's values by column.
    """

    row: int | None
    column: str
    reason: str
    value: str | None
    text: Mapping[str, Any]


@dataclass(frozen=True)
class Piece:
    """Some rows of a file: its columns, then the rows' numbers in the file; and those that don't fit."""

    batch: pa.RecordBatch
    misfits: Sequence[Misfit] = ()

    @classmethod
    def aside(cls, misfits: Sequence[Misfit]) -> Piece:
        """Return what has no row: lines that are none."""
        return cls(pa.RecordBatch.from_pylist([], pa.schema([])), misfits)

    def renamed(self, names: Mapping[str, str]) -> Piece:
        """Return the same with other names of columns: old → new."""
        batch = self.batch.rename_columns([names.get(each, each) for each in self.batch.schema.names])
        misfits = [
            replace(
                each,
                column=names.get(each.column, each.column),
                text={names.get(name, name): value for name, value in each.text.items()},
            )
            for each in self.misfits
        ]
        return Piece(batch, misfits)

    def widened(self, values: Mapping[str, pa.Scalar], said: Mapping[str, str | None]) -> Piece:
        """Return the same with further columns that have one value in all rows; `said` is it as text."""
        batch = self.batch
        for name, value in values.items() if batch.num_columns else ():
            batch = batch.append_column(name, pa.repeat(value, batch.num_rows))
        misfits = [each if each.row is None else replace(each, text={**each.text, **said}) for each in self.misfits]
        return Piece(batch, misfits)


def typed(
    duck: duckdb.DuckDBPyConnection,
    texts: pa.Table,
    kinds: Mapping[str, ColumnType],
    *,
    decimal: str = ".",
    first: int = 1,
) -> Piece:
    """Return the rows of a table of text columns, typed by `kinds`, numbered from `first` on. Raises duckdb.Error."""
    names = texts.column_names
    columns = {name: texts.column(place).combine_chunks() for place, name in enumerate(names)}
    wrong: dict[int, str] = {}
    for kind, those in by_kind(names, kinds):
        if kind is None or kind == TEXT:
            continue
        with long(duck, texts, those) as source:
            found = duck.execute(f"select {parsed(plain('v', decimal), kind)} from {source}").to_arrow_table()  # noqa: S608
        values = found.column(0).combine_chunks().cast(arrow_type(kind))
        for number, name in enumerate(those):
            said, columns[name] = columns[name], values.slice(number * texts.num_rows, texts.num_rows)
            for row in _without_value(said, columns[name]):
                wrong.setdefault(row, name)
    numbers = pa.array(range(first, first + texts.num_rows), pa.int64())
    rows = pa.RecordBatch.from_arrays([*columns.values(), numbers], names=[*names, ROW])
    if not wrong:
        return Piece(rows)
    misfits = []
    for row, name in sorted(wrong.items()):
        values = {each: texts.column(number)[row].as_py() for number, each in enumerate(names)}
        misfits.append(Misfit(first + row, name, f"is no {kinds[name]}", values[name], values))
    return Piece(rows.filter(pa.array([row not in wrong for row in range(texts.num_rows)])), misfits)


def _without_value(texts: pa.Array, values: pa.Array) -> list[int]:
    """Return the rows that have a text, and no value."""
    if texts.null_count == values.null_count:
        return []
    blank = pc.equal(pc.utf8_trim(texts, " "), "")
    lost = pc.and_(values.is_null(), pc.invert(pc.fill_null(blank, True)))
    found: list[int] = pc.indices_nonzero(lost).to_pylist()
    return found
