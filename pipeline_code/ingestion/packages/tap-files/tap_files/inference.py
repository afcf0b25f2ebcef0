"""Which type holds all values of a column: counted by the engine, file by file, never by a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
from headwater_contracts import ColumnType

from tap_files.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    MOST_DIGITS,
    PATTERNS,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    is_value,
    joined,
    numeric,
    parsed,
)

_COUNTED = ("boolean", "bigint", "numeric", "double", "date", "timestamp", "timestamptz")
MOST_MISFITS = 0.5
"""Share of a column's new values that may not fit its type before it counts as one of another type."""


@dataclass
class Evidence:
    """What is known of a column's values: how many there are, and how many could be of each type.

    digits, scale: the longest whole part and fraction among the plain numbers. fits: how many are of the type that the
    column has already. kinds: types of files that say their types themselves.
    """

    values: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    digits: int = 0
    scale: int = 0
    fits: int = 0
    kinds: set[ColumnType] = field(default_factory=set)

    def add(self, other: Evidence) -> None:
        """Take another file's."""
        self.values += other.values
        self.fits += other.fits
        for name, count in other.counts.items():
            self.counts[name] += count
        self.digits, self.scale = max(self.digits, other.digits), max(self.scale, other.scale)
        self.kinds |= other.kinds

    @property
    def kind(self) -> ColumnType | None:
        """Return the narrowest type that holds all values; None where there are none."""
        found = set(self.kinds)
        if self.values:
            found.add(self._of_texts())
        result: ColumnType | None = None
        for each in sorted(found, key=str):
            result = each if result is None else joined(result, each)
        return result

    def _of_texts(self) -> ColumnType:
        count, all_of = self.counts, self.values
        if count["boolean"] == all_of:
            return BOOLEAN
        if count["bigint"] == all_of:
            return BIGINT
        if count["numeric"] == all_of and self.digits + self.scale <= MOST_DIGITS:
            return numeric(self.digits, self.scale)
        if count["double"] == all_of and count["numeric"] < all_of:
            return DOUBLE
        for kind in (DATE, TIMESTAMP, TIMESTAMPTZ):
            if count[kind.name] == all_of:
                return kind
        return TEXT

    def chosen(self, pinned: ColumnType | None) -> ColumnType:
        """Return the type that a column is sent in. `pinned` is the one that it has already.

        It stays where all new values fit, and where most do and the rest is of no type that could hold both: these are
        then set aside. Otherwise the column has become wider, and the contract decides about it.
        """
        new = self.kind
        if pinned is None or new is None:
            return pinned or new or TEXT
        if pinned == TEXT or (not self.kinds and self.fits == self.values):
            return pinned
        wider = joined(pinned, new)
        if wider == TEXT and not self.kinds and self.values - self.fits < MOST_MISFITS * self.values:
            return pinned
        return pinned if self.kinds and not self.values and _holds(pinned, self.kinds) else wider


def _holds(pinned: ColumnType, kinds: set[ColumnType]) -> bool:
    """Whether a type holds all values of others: a decimal those with fewer digits."""
    for kind in kinds:
        if kind == pinned:
            continue
        if pinned.precision is None or kind.precision is None or pinned.scale is None or kind.scale is None:
            if joined(pinned, kind) != pinned:
                return False
        elif pinned.scale < kind.scale or pinned.precision - pinned.scale < kind.precision - kind.scale:
            return False
    return True


def quoted(name: str) -> str:
    """Return an SQL identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def evidence(
    duck: duckdb.DuckDBPyConnection,
    source: str,
    columns: Sequence[str],
    pinned: Mapping[str, ColumnType],
    *,
    decimal: str = ".",
) -> dict[str, Evidence]:
    """Return what the rows of an SQL `source` of text columns tell of each. Raises duckdb.Error."""
    found: dict[str, Evidence] = {}
    most = 150  # columns a query: its plan grows with them
    for start in range(0, len(columns), most):
        part = columns[start : start + most]
        items = [item for name in part for item in _items(plain(name, decimal), pinned.get(name))]
        (row,) = duck.execute(f"select {', '.join(items)} from {source}").fetchall()  # noqa: S608 - quoted names
        width = len(row) // len(part)
        for number, name in enumerate(part):
            values, *counts, digits, scale, fits = row[number * width : (number + 1) * width]
            found[name] = Evidence(
                values, dict(zip(_COUNTED, counts, strict=True)), max(digits or 0, 0), max(scale or 0, 0), fits
            )
    return found


def plain(name: str, decimal: str) -> str:
    """Return SQL for a column's text with a point before the fraction."""
    column = quoted(name)
    if decimal == ".":
        return column
    return (
        f"case when regexp_full_match({column}, '-?[0-9]+,[0-9]+') then replace({column}, ',', '.') else {column} end"
    )


def _items(column: str, pinned: ColumnType | None) -> list[str]:
    text = f"trim({column})"
    items = [_count(is_value(column, pinned if pinned is not None else BIGINT))]
    for name in _COUNTED:
        matches = f"regexp_full_match({text}, '{PATTERNS[name]}')"
        exact = matches if name in {"numeric", "boolean"} else f"({parsed(column, ColumnType(name))}) is not null"
        items.append(_count(exact))
    number = f"regexp_full_match({text}, '{PATTERNS['numeric']}')"
    items.append(f"max(case when {number} then length(split_part(ltrim({text}, '-'), '.', 1)) end)")
    items.append(f"max(case when {number} then length(split_part({text}, '.', 2)) end)")
    fits = "false" if pinned is None else f"{is_value(column, pinned)} and ({parsed(column, pinned)}) is not null"
    items.append(_count(fits))
    return items


def _count(condition: str) -> str:
    return f"count(*) filter (where {condition})"
