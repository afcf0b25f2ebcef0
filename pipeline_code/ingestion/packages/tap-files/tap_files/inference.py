"""Which type fits all values of a column: DuckDB counts all of them, file by file, never only a sample."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
from headwater_contracts import ColumnType

from tap_files.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    EXACT_DIGITS,
    MOST_DIGITS,
    PATTERNS,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    grows,
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
    column has already. codes: how many are as 12E5, a number or a code. kinds: types of files that say their types
    themselves.
    """

    values: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    digits: int = 0
    scale: int = 0
    fits: int = 0
    codes: int = 0
    kinds: set[ColumnType] = field(default_factory=set)

    def add(self, other: Evidence) -> None:
        """Take another file's."""
        self.values += other.values
        self.fits += other.fits
        self.codes += other.codes
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
            return TEXT if self._are_codes else DOUBLE
        for kind in (DATE, TIMESTAMP, TIMESTAMPTZ):
            if count[kind.name] == all_of:
                return kind
        return TEXT

    @property
    def _are_codes(self) -> bool:
        """Whether nothing but whole numbers is beside 12E5: no point and no sign tells that it is a number."""
        return 0 < self.codes == self.counts["double"] - self.counts["bigint"]

    def chosen(self, pinned: ColumnType | None, *, is_key: bool = False) -> ColumnType:
        """Return the type that a column is sent in. `pinned` is the one that it has already.

        It stays where all new values fit, and where most do and the rest is of no type that could hold both: these are
        then set aside. Otherwise the column has become wider, and the contract decides about it. Of a key it stays
        unless the table's column can grow: rows of two types can't be told apart, so the others are set aside.
        """
        new = self.kind
        if pinned is None or new is None:
            return pinned or new or TEXT
        if pinned == TEXT or (not self.kinds and self.fits == self.values):
            return pinned
        wider = joined(pinned, new)
        if is_key and not grows(pinned, wider):
            return pinned
        # Exact numbers become no floating ones because of a few, as a spreadsheet writes ids: these are set aside.
        if (
            (wider == TEXT or (wider == DOUBLE and pinned != DOUBLE))
            and not self.kinds
            and self.values - self.fits < MOST_MISFITS * self.values
        ):
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


def evidence(
    duck: duckdb.DuckDBPyConnection,
    texts: pa.Table,
    pinned: Mapping[str, ColumnType],
    *,
    decimal: str = ".",
    codes: bool = False,
) -> dict[str, Evidence]:
    """Return what a table of text columns tells of each. Raises duckdb.Error.

    codes: whether 12E5, without a point or a sign, may be a code: a column of such and of whole numbers is then text.
    """
    found: dict[str, Evidence] = {}
    for kind, names in by_kind(texts.column_names, pinned):
        looks, counts = _looks(plain("v", decimal), kind, codes=codes), ", ".join(_COUNTS)
        with long(duck, texts, names) as source:
            rows = duck.execute(f"select i, {counts} from (select i, {looks} from {source}) group by i").fetchall()  # noqa: S608
        for number, classes, digits, scale, values, fits in rows:
            shares = {each: (classes or {}).get(each, 0) for each in _CLASSES}
            counted = {each: sum(shares[one] for one in _HOLDS[each]) for each in _COUNTED}
            found[names[number]] = Evidence(values, counted, digits or 0, scale or 0, fits, codes=shares["code"])
    return {name: found.get(name, Evidence()) for name in texts.column_names}


_STARTS = ", ".join(str(ord(each)) for each in "-0123456789tTfF")
_VIEW = "headwater_chunk"
_COUNTS = (
    "histogram(k)",
    "max(case when ends_with(k, 'bigint') then length(t) - starts_with(t, '-')::int"
    " when ends_with(k, 'numeric') then length(split_part(t, '.', 1)) - starts_with(t, '-')::int end)",
    "max(case when ends_with(k, 'numeric') then length(split_part(t, '.', 2)) end)",
    "count(*) filter (where v)",
    "count(*) filter (where f)",
)
_CLASSES = (
    "boolean",
    "bigint",
    "long bigint",
    "numeric",
    "long numeric",
    "double",
    "code",
    "date",
    "timestamp",
    "timestamptz",
    "text",
)
_HOLDS: Mapping[str, Sequence[str]] = {
    "boolean": ("boolean",),
    "bigint": ("bigint", "long bigint"),
    "numeric": ("bigint", "long bigint", "numeric", "long numeric"),
    "double": ("bigint", "numeric", "double", "code"),
    "date": ("date",),
    "timestamp": ("date", "timestamp"),
    "timestamptz": ("timestamptz",),
}
"""Type → the classes of texts that it holds."""


def by_kind(names: Sequence[str], kinds: Mapping[str, ColumnType]) -> list[tuple[ColumnType | None, list[str]]]:
    """Return the columns by their types, None for those that have none yet."""
    found: dict[ColumnType | None, list[str]] = {}
    for name in names:
        found.setdefault(kinds.get(name), []).append(name)
    return list(found.items())


@contextlib.contextmanager
def long(duck: duckdb.DuckDBPyConnection, texts: pa.Table, names: Sequence[str]) -> Iterator[str]:
    """Make a view of some columns of a table below each other: `v` the values, `i` the column's place in `names`.

    One expression then does for all of them: one a column costs more to plan than to run, and a wide table no memory.
    """
    places = {name: place for place, name in enumerate(texts.column_names)}
    columns = [texts.column(places[name]) for name in names]
    values = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).combine_chunks()
    numbers = pa.chunked_array([pa.repeat(pa.scalar(each, pa.int32()), texts.num_rows) for each in range(len(names))])
    duck.register(_VIEW, pa.table({"v": values, "i": numbers.combine_chunks()}))
    try:
        yield _VIEW
    finally:
        duck.unregister(_VIEW)


def plain(column: str, decimal: str) -> str:
    """Return SQL for a column's text with a point before the fraction. Where that is a comma, 1.234 is no number."""
    if decimal == ".":
        return column
    number = f"regexp_full_match(trim({column}), '-?[0-9.,]+([eE][-+]?[0-9]+)?')"
    return f"case when {number} then translate({column}, ',.', '.,') else {column} end"


def _looks(column: str, pinned: ColumnType | None, *, codes: bool) -> str:
    """Return SQL for each value of a column: its text, its class, whether it is one, whether it is of the type."""
    has_value = is_value(column, pinned if pinned is not None else BIGINT)
    if pinned == TEXT:  # what the values look like decides nothing
        return f"null::varchar as t, null::varchar as k, {has_value} as v, {has_value} as f"
    text = f"trim({column})"
    moments = [
        f"when ({parsed(column, kind)}) is not null then '{kind.name}'" for kind in (DATE, TIMESTAMP, TIMESTAMPTZ)
    ]
    floating = f"({parsed(column, DOUBLE)}) is not null"
    rounded = f"length({text}) > {EXACT_DIGITS} and not {floating}"  # what a double would not keep
    code = f"when regexp_full_match({text}, '-?[0-9]+[eE][0-9]+') and {floating} then 'code'" if codes else ""
    # What can be told cheaply comes first: a regular expression costs more than all else.
    kind = (
        f"case when not {has_value} then null "
        f"when length({text}) >= 10 and substr({text}, 5, 1) = '-' then case {' '.join(moments)} else 'text' end "
        f"when ascii({text}) not in ({_STARTS}) then 'text' "
        f"when try_cast({text} as bigint)::varchar = {text} then if({rounded}, 'long bigint', 'bigint') "
        f"when regexp_full_match({text}, '{PATTERNS['numeric']}') then if({rounded}, 'long numeric', 'numeric') "
        f"{code} when {floating} then 'double' "
        f"when lower({text}) in ('true', 'false') then 'boolean' else 'text' end"
    )
    fits = "false" if pinned is None else f"{has_value} and ({parsed(column, pinned)}) is not null"
    return f"{text} as t, {kind} as k, {has_value} as v, {fits} as f"
