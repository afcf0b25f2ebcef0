"""Questions as small trees: every engine translates the same one into its own language."""

from __future__ import annotations

import datetime as dt
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st

from differential.kinds import Family

Value = bool | int | float | Decimal | str | dt.date | dt.datetime
LONGEST = 10_000
"""Characters of a text in a question: Trino takes a query of a million."""


@dataclass(frozen=True)
class Field:
    """A column of a table in the lake: its name there, its number in the mirror, how its values are compared."""

    name: str
    number: int
    family: Family
    compared: str
    sums: bool = False
    nested: bool = False
    """Whether the text is JSON that may be written in several ways: only its value counts."""
    signed_zero: bool = True
    """Whether -0.0 and 0.0 are told apart in rows."""
    mark: bool = False
    """Whether the column says when a row was deleted: only that it does is compared."""


@dataclass(frozen=True)
class Compare:
    """field operator value."""

    field: Field
    operator: Literal["=", "<>", "<", "<=", ">", ">="]
    value: Value


@dataclass(frozen=True)
class Among:
    """Field in (values)."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Prefix:
    """Field like 'prefix%'."""

    field: Field
    prefix: str


@dataclass(frozen=True)
class Null:
    """Field is (not) null."""

    field: Field
    null: bool = True


@dataclass(frozen=True)
class NotANumber:
    """Field is NaN."""

    field: Field


@dataclass(frozen=True)
class Both:
    """Both hold (`every`), or one of them."""

    one: Predicate
    other: Predicate
    every: bool = True


Predicate = Compare | Among | Prefix | Null | NotANumber | Both


@dataclass(frozen=True)
class Question:
    """How many rows meet `where`, and of `of`: values, least, greatest, sum. load: as of that load; None the last."""

    where: Predicate | None
    of: Field | None
    load: int | None = None

    @property
    def extremes(self) -> bool:
        """Whether least and greatest are asked for."""
        return self.of is not None and self.of.family != "boolean" and not self.of.nested and not self.of.mark


Answer = tuple[str, ...]
"""Canonical texts: count, and of `of` its values, least, greatest and sum."""


def canonical(value: Any, family: Family | None = None) -> str:  # noqa: PLR0911 - one a type
    """Return a value as a text that is the same for every engine, and differs for values that differ."""
    match value:
        case None:
            return "∅"
        case bool():
            return str(value).lower()
        case float() if family in {"double", "real"}:
            return "NaN" if value != value else f"{value!r}"  # noqa: PLR0124 - NaN is what is not itself
        case int() | Decimal() | float():
            number = Decimal(value)
            return "NaN" if number.is_nan() else f"{(number.normalize() if number else Decimal(0)):f}"
        case dt.datetime():
            utc = value if value.tzinfo is None else value.astimezone(dt.UTC)
            return f"{utc.year:04}-{utc:%m-%d %H:%M:%S.%f}" + ("Z" if value.tzinfo else "")
        case dt.date():
            return f"{value.year:04}-{value:%m-%d}"
        case _:
            return str(value)


def canonical_json(text: str | None) -> str:
    """Return the value of a JSON text: order of keys, blanks and 1.0 for 1.00 don't count; types and digits do."""
    if text is None:
        return "∅"
    return repr(_sorted(json.loads(text, parse_float=_number, parse_int=_number)))


def _number(text: str) -> tuple[str, str]:
    number = Decimal(text)
    return ("number", f"{number.normalize() if number else Decimal(0):f}")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def as_real(value: float) -> float:
    """Return the number that a `real` column holds for a value."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


# Asked for by numbers, which are resolved when the table is there: Hypothesis can make a table smaller under them.


@dataclass(frozen=True)
class Asked:
    """Draws of a question: `field`, `other`, `of` are numbers of columns, `rows` of rows that values are taken from."""

    form: str
    field: int
    of: int
    rows: tuple[int, int]
    other: tuple[str, int] | None
    every: bool
    length: int
    earlier: bool


FORMS = ("all", "=", ">", "<", ">=", "<=", "between", "in", "prefix", "null", "not null", "nan", "<>")


def asked() -> st.SearchStrategy[Asked]:
    """Draw a question."""
    number = st.integers(0, 20)
    return st.builds(
        Asked, st.sampled_from(FORMS), number, number, st.tuples(number, number),
        st.none() | st.tuples(st.sampled_from(FORMS), number), st.booleans(), st.sampled_from([1, 2, 8, 4_100]),
        st.sampled_from([False, False, False, True]),
    )  # fmt: skip


def resolve(asked_: Asked, fields: Sequence[Field], values: Mapping[str, Sequence[Value]], loads: int) -> Question:
    """Return the question about a table with `fields`, whose `values` (of each, without nulls and NaN) are known."""
    where = _predicate(asked_.form, fields[asked_.field % len(fields)], asked_, values)
    if asked_.other is not None and where is not None:
        form, number = asked_.other
        other = _predicate(form, fields[number % len(fields)], asked_, values)
        where = where if other is None else Both(where, other, asked_.every)
    load = loads - 1 if asked_.earlier and loads > 1 else None
    return Question(where, fields[asked_.of % len(fields)], load)


def _predicate(  # noqa: PLR0911 - one a form
    form: str, field: Field, asked_: Asked, values: Mapping[str, Sequence[Value]]
) -> Predicate | None:
    known = [] if field.nested or field.mark else values[field.name]
    if form == "all":
        return None
    if form == "nan" and field.family in {"real", "double"}:
        return NotANumber(field)
    if not known or form in {"null", "not null", "nan"}:
        return Null(field, form != "not null")
    one, other = (known[number % len(known)] for number in asked_.rows)
    if field.family == "boolean":
        return Compare(field, "=", one)
    match form:
        case "prefix":
            return (
                Prefix(field, str(one)[: asked_.length]) if isinstance(one, str) and one else Compare(field, "=", one)
            )
        case "between":
            low, high = sorted((one, other))  # type: ignore[type-var]
            return Both(Compare(field, ">=", low), Compare(field, "<=", high))
        case "in":
            return Among(field, (one, other))
        case _:
            return Compare(field, form, one)  # type: ignore[arg-type]
