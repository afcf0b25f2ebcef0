"""Rows as DuckDB itself writes them: Parquet, straight into the pipe that the target reads.

DuckDB does all the work, and no row ever becomes a Python or an Arrow object. The statistics that it returns show what
it reads wrongly: infinity and times outside its range are extremes, NaN in a decimal is one of its zeros.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tap_postgres_arrow.blocks import Blocks
from tap_postgres_arrow.boundary import Key, parse_key
from tap_postgres_arrow.columns import TEMPORAL, Column, UnrepresentableValueError, quoted
from tap_postgres_arrow.engine import Connection, literal
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.table import Table, alias

GROUP_ROWS = 98_304
"""Rows of a row group, of which a reader holds one: four fifths of DuckDB's own default, and so much less memory."""
GROUP_BYTES = 64 << 20
"""Size of a row group, as the source stores it, that wide rows keep to; the engine's least is 2,048 rows."""
LEAST_BYTES = 64 << 20
"""Of a table, as the source stores it, that are worth a reader of their own: connecting one takes 0.1 s."""
MOST_COLUMNS = 1_000
"""Wider tables are sent as Arrow: the target holds the end of a file, and with it the footer, in memory."""
_FIVE_DIGITS = re.compile(r"\d{5,}-")

Statistics = Mapping[str, Mapping[str, str]]
Written = tuple[int, Statistics]
"""Number of rows, and the columns' statistics, see `judge`."""


def is_possible(reading: Reading) -> bool:
    """Whether the engine reads all selected columns in their exact types, and can tell them apart: it folds names."""
    columns = reading.columns
    names = {column.name.lower() for column in columns}
    return (
        reading.engine_writes
        and 0 < len(columns) == len(names) <= MOST_COLUMNS
        and all(column.is_read_exactly for column in columns)
    )


def readers(reading: Reading, most: int) -> int:
    """Return how many connections are worth having for what is to be read. A read of changes has one."""
    if reading.condition is not None or not reading.table.has_versions:
        return 1
    return max(1, min(most, reading.table.block_bytes // LEAST_BYTES))


def pieces(table: Table, condition: str | None, file_bytes: int, readers: int = 1) -> list[str | None]:
    """Return conditions that divide the rows, by their place in the table, into files of at most about `file_bytes`.

    Every row is in exactly one: the places are divided without a gap. A read of changes is one piece; otherwise there
    are as many, or twice as many and so on, as there are readers.
    """
    if condition is not None or not table.has_versions:
        return [condition]
    found = Blocks(0, table.depth).divided(number_of_pieces(table, file_bytes, readers))
    if len(found) == 1:
        return [None]
    return [each.condition(to_the_end=each is found[-1]) for each in found]


def number_of_pieces(table: Table, file_bytes: int, readers: int, most_bytes: int | None = None) -> int:
    """Return how many pieces a complete read has; none of them is of more than `most_bytes` of the table's blocks."""
    # Compressed and encoded, rows take about a quarter of their place in the source's blocks.
    size = 4 * file_bytes if most_bytes is None else min(4 * file_bytes, most_bytes)
    return (table.block_bytes // (size * readers) + 1) * readers


@dataclass(frozen=True)
class Statement:
    """How the engine writes rows: the query that PostgreSQL gets, what becomes of its columns, COPY's options."""

    sql: str
    items: str
    options: str

    @classmethod
    def of(cls, reading: Reading, condition: str | None, layout: Mapping[str, Any]) -> Self:
        """Return the statement for the rows that meet `condition`.

        `layout` is the target's: its `constants` become columns ({name: UTC time in ISO 8601}), `codec` and `level`
        are the compression.
        """
        table, columns = reading.table, reading.columns
        items = [
            f"cast({alias(number)} as {column.type_name}) as {quoted(column.name)}"
            for number, column in enumerate(columns)
        ]
        items += [f"timestamptz {literal(value)} as {quoted(name)}" for name, value in layout["constants"].items()]
        rows = max(2_048, min(GROUP_ROWS, GROUP_BYTES // max(reading.source.row_bytes(table), 1)))
        options = f"compression {layout['codec']}, compression_level {int(layout['level'])}, row_group_size {rows}"
        return cls(table.query(columns, condition), ", ".join(items), options)

    def write(self, connection: Connection, path: Path) -> Written:
        """Write the rows into the pipe at `path`; return their number and statistics. Raises SourceError."""
        return connection.copy(self.sql, self.items, str(path), self.options)


def judge(reading: Reading, condition: str | None, statistics: Statistics) -> Key | None:
    """Return the greatest replication key of what was written. UnrepresentableValueError where a value was changed."""
    table, columns = reading.table, reading.columns
    check(table, columns, statistics)
    reading.source.check_nan(table, [column for column in columns if _may_hide_nan(column, statistics)], condition)
    key = reading.key_column
    greatest = None if key is None else statistics.get(key.name, {}).get("max")
    return None if greatest is None or key is None else _key(greatest, key)


def check(table: Table, columns: tuple[Column, ...], statistics: Statistics) -> None:
    """Raise UnrepresentableValueError for infinity, and for times that the engine has wrapped."""
    for column in columns:
        if column.base_type not in TEMPORAL:
            continue
        extremes = [
            value for name in ("min", "max") if (value := statistics.get(column.name, {}).get(name)) is not None
        ]
        if any(map(_is_outside, extremes)):
            raise UnrepresentableValueError(
                f"{table.relation}, column {column.name}: a value is infinity or outside of what {column.type_name} "
                "holds. Correct the value in the source, or deselect the column."
            )


def _is_outside(value: str) -> bool:
    """Whether a date or time is infinite or not of the years 1 to 9999; one that the engine has wrapped is, too."""
    return "infinity" in value or "(BC)" in value or _FIVE_DIGITS.match(value) is not None


def _may_hide_nan(column: Column, statistics: Statistics) -> bool:
    found = statistics.get(column.name, {})
    return column.hides_nan and "min" in found and float(found["min"]) <= 0 <= float(found["max"])


def _key(value: str, column: Column) -> Key:
    key = parse_key(value, column)
    return key.astimezone(dt.UTC) if isinstance(key, dt.datetime) and key.tzinfo is not None else key
