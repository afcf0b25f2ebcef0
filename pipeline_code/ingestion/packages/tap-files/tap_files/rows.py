"""Rows of text in the types of their columns, and those that don't fit aside: the engine does both in one query."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from headwater_contracts import ColumnType

from tap_files.inference import plain, quoted
from tap_files.types import arrow_type, is_value, parsed

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
    source: str,
    columns: Sequence[str],
    kinds: Mapping[str, ColumnType],
    *,
    decimal: str = ".",
    first: int = 1,
) -> Iterator[Piece]:
    """Yield the rows of an SQL `source` of text columns, typed by `kinds`, numbered from `first` on.

    Raises duckdb.Error.
    """
    items, tests = [], []
    for number, name in enumerate(columns):
        text, kind = plain(name, decimal), kinds[name]
        items.append(f"{parsed(text, kind)} as c{number}")
        if kind.name != "text":
            tests.append(f"when {is_value(text, kind)} and ({parsed(text, kind)}) is null then {number}")
    which = f"(case {' '.join(tests)} else -1 end)::int" if tests else "(-1)::int"
    texts = ", ".join(f"{_literal(name)}, {quoted(name)}" for name in columns)
    items += [f"{which} as which", f"case when {which} >= 0 then json_object({texts})::varchar end as row_text"]
    found = duck.execute(f"select {', '.join(items)} from {source}")  # noqa: S608 - quoted names
    schema = pa.schema([pa.field(name, arrow_type(kinds[name])) for name in columns] + [pa.field(ROW, pa.int64())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        reader = found.to_arrow_reader(READ_ROWS)
    for batch in reader:
        piece = _piece(batch, schema, columns, kinds, first)
        first += batch.num_rows
        yield piece


def _piece(
    batch: pa.RecordBatch, schema: pa.Schema, columns: Sequence[str], kinds: Mapping[str, ColumnType], first: int
) -> Piece:
    count = len(columns)
    numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
    arrays = [array.cast(field.type) for array, field in zip(batch.columns[:count], schema, strict=False)]
    rows = pa.RecordBatch.from_arrays([*arrays, numbers], schema=schema)
    bad = pc.greater_equal(batch.column(count), 0)
    if not pc.any(bad).as_py():
        return Piece(rows)
    misfits = []
    wrong = batch.filter(bad)
    for number, which, text in zip(
        numbers.filter(bad).to_pylist(), wrong.column(count).to_pylist(), wrong.column(count + 1).to_pylist(),
        strict=True,
    ):  # fmt: skip
        name, values = columns[which], json.loads(text)
        misfits.append(Misfit(number, name, f"is no {kinds[name]}", values[name], values))
    return Piece(rows.filter(pc.invert(bad)), misfits)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
