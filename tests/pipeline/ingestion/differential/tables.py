"""Random tables: columns, keys, rows and what then changes, as plain data that Hypothesis can make smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headwater_contracts import table_name
from hypothesis import strategies as st

from differential.kinds import KINDS, SIMPLE, Kind

NAMES = (
    "a", "b", "c", "d", "e", "Upper", "CamelCase", "select", "order", "user", "a b", "a.b", "a-b", "Größe", "日本",
    "naïve", 'quo"te', "it's", "x%", "x?", "a,b", "a/b", "🐕", "1st", "_x", "table", "end", "value", "row", "n" * 63,
)  # fmt: skip
"""Names of columns; those of tables are among them. No two differ by case only: that is refused (contracts.md)."""
TABLE_NAMES = ("t", "Orders", "order", "u v", "Größe", "x.y", 'q"r', "a-b", "日本")
STAMP = "updated_at"
Row = tuple[str | None, ...]
"""Literals of PostgreSQL, one a column."""
Shape = Literal["plain", "partitioned", "inherited", "granted", "viewed", "hidden", "owned"]
"""granted: the tap's role may select each column, not the table. viewed: there are views on it. hidden: row security
shows the role some of its rows. owned: it would, were the role not the table's owner.
"""


@dataclass(frozen=True)
class Column:
    """A column; `always` is NOT NULL, `generated` SQL of a value that the source computes, `identity` one it counts."""

    name: str
    kind: Kind
    always: bool = False
    generated: str | None = None
    identity: bool = False

    @property
    def sql(self) -> str:
        """The name in quotes."""
        return quoted(self.name)


@dataclass(frozen=True)
class Change:
    """insert `row`; update `column` of the `at`th row (modulo rows) to `value`; touch, delete it; truncate."""

    what: Literal["insert", "update", "touch", "delete", "truncate"]
    at: int = 0
    column: int = 0
    value: str | None = None
    row: Row = ()


@dataclass(frozen=True)
class Table:
    """A table: `key` are numbers of columns. `filler` rows of ordinary values stand before or after `rows`.

    stamped: whether it has a replication key. changes: one tuple of changes for each load after the first. partition,
    sort: the contract's.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[int, ...] = ()
    rows: tuple[Row, ...] = ()
    filler: int = 0
    filler_first: bool = True
    stamped: bool = False
    analyzed: bool = True
    shape: Shape = "plain"
    changes: tuple[tuple[Change, ...], ...] = ()
    partition: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()

    @property
    def stream(self) -> str:
        """The Singer stream."""
        return self.name

    @property
    def stored_name(self) -> str:
        """The table in the lake."""
        return table_name(self.name)

    @property
    def child(self) -> str:
        """The table that inherits from this one, if it is `inherited`."""
        return f"{self.name[:40]}_child"

    @property
    def views(self) -> tuple[str, str]:
        """The view and the materialized view on this table, if it is `viewed`."""
        return f"{self.name[:40]}_view", f"{self.name[:40]}_kept"

    @property
    def keys(self) -> list[str]:
        """Names of the key's columns."""
        return [self.columns[number].name for number in self.key]


def quoted(name: str) -> str:
    """Return an identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


@st.composite
def _columns(draw: st.DrawFn, kinds: Sequence[Kind], keyed: bool) -> tuple[tuple[Column, ...], tuple[int, ...]]:
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=draw(st.sampled_from([4, 6, 12]))))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=len(chosen), max_size=len(chosen), unique=True))
    columns = [Column(name, kind, draw(st.booleans())) for name, kind in zip(names, chosen, strict=True)]
    possible = [number for number, column in enumerate(columns) if column.kind.key]
    if keyed and not possible:
        columns.append(Column("id", SIMPLE))
        possible = [len(columns) - 1]
    least = 1 if keyed else 0
    key = draw(st.lists(st.sampled_from(possible), min_size=least, max_size=2, unique=True)) if possible else []
    wide = draw(st.sampled_from([0] * 12 + [60, 390]))
    # Every type once and more: what no single table of a few columns has together.
    columns += [Column(f"w{number}", kinds[number % len(kinds)]) for number in range(wide)]
    if draw(st.integers(0, 7)) == 7 and columns[0].kind is SIMPLE:
        first = columns[0].sql
        columns.append(Column("twice", SIMPLE, generated=f"case when {first} < 1000 then {first} * 2 end"))
    counted = draw(st.booleans())
    return tuple(
        replace(each, always=each.always or number in key, identity=counted and number in key and each.kind is SIMPLE)
        for number, each in enumerate(columns)
    ), tuple(key)


def _value(draw: st.DrawFn, column: Column) -> str | None:
    if column.generated is not None:
        return None
    if not column.always and draw(st.integers(0, 4)) == 4:
        return None
    return draw(column.kind.literals())


def _row(draw: st.DrawFn, columns: Sequence[Column]) -> Row:
    # Of a wide table most columns hold one value: else a row is more than Hypothesis likes to draw.
    drawn = [_value(draw, column) if number < 14 else None for number, column in enumerate(columns)]
    return tuple(
        column.kind.values[0] if value is None and column.always and column.generated is None else value
        for value, column in zip(drawn, columns, strict=True)
    )


def _change(draw: st.DrawFn, columns: Sequence[Column], key: Sequence[int]) -> Change:
    kinds = ["insert", "update", "touch", "delete", "insert", "update", "truncate"]
    what = draw(st.sampled_from(kinds))
    if what == "insert":
        return Change("insert", row=_row(draw, columns))
    if what == "truncate":
        return Change("truncate")
    at = draw(st.integers(0, 9))
    if what != "update":
        return Change(what, at)  # type: ignore[arg-type]
    column = draw(st.sampled_from([n for n, each in enumerate(columns[:14]) if each.generated is None]))
    value = _value(draw, columns[column])
    if value is None and columns[column].always:
        value = columns[column].kind.values[0]
    return Change("update", at, column, value)


TRANSFORMS: Mapping[str, tuple[str, ...]] = {
    "boolean": ("{}",),
    "whole": ("{}", "bucket(3, {})"),
    "decimal": ("{}", "bucket(3, {})", "truncate(10, {})"),
    "date": ("{}", "day({})", "month({})", "year({})", "bucket(3, {})"),
    "timestamp": ("day({})", "hour({})", "month({})", "year({})", "bucket(3, {})"),
    "timestamptz": ("day({})", "hour({})", "month({})", "year({})", "bucket(3, {})"),
    "text": ("{}", "bucket(3, {})", "truncate(2, {})"),
}
"""Partitions that a contract may say of a column, by its family; not truncate of integers, which has no least ones."""


def _layout(draw: st.DrawFn, columns: Sequence[Column]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw partition and sort of a contract: most tables have none."""
    if draw(st.integers(0, 3)) < 3:
        return (), ()
    column = draw(st.sampled_from(columns))
    transforms = TRANSFORMS.get(column.kind.family, ())
    partition = (draw(st.sampled_from(transforms)).format(column.name),) if transforms else ()
    order = draw(st.sampled_from(["asc", "desc", "desc nulls first"]))
    return partition, draw(st.sampled_from([(), (f"{draw(st.sampled_from(columns)).name} {order}",)]))


@st.composite
def tables(
    draw: st.DrawFn,
    kinds: Sequence[Kind] = KINDS,
    *,
    keyed: bool = False,
    loads: int = 3,
    most_filler: int = 0,
    shapes: Sequence[Shape] = ("plain",),
    stamps: bool = True,
    plain: bool = False,
) -> Table:
    """Draw a table of columns of `kinds`. keyed: it has a key. loads: at most, the first included. plain: no extras."""
    columns, key = draw(_columns(kinds, keyed))
    rows = tuple(_row(draw, columns) for _ in range(draw(st.integers(0, 8))))
    filler = draw(st.sampled_from([0, 0, most_filler])) if most_filler and len(columns) < 9 else 0
    changes = tuple(
        tuple(_change(draw, columns, key) for _ in range(draw(st.integers(0, 4))))
        for _ in range(draw(st.integers(0, loads - 1)))
    )
    if plain:
        columns = tuple(each for each in columns if each.generated is None)
        rows = tuple(row[: len(columns)] for row in rows)
    shape: Shape = draw(st.sampled_from(shapes))
    if (shape == "partitioned" and not key) or (shape == "inherited" and key):
        shape = "plain"
    return Table(
        draw(st.sampled_from(TABLE_NAMES)), columns, key, rows, filler, draw(st.booleans()),
        stamps and draw(st.booleans()), draw(st.booleans()), shape, changes, *_layout(draw, columns),
    )  # fmt: skip


def distinct(found: Sequence[Table]) -> bool:
    """Whether all tables have a name of their own in the lake."""
    return len({each.stored_name for each in found}) == len(found)
