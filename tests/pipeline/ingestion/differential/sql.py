"""Questions in SQL, and answers as texts that are the same for every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from differential.questions import (
    Among,
    Answer,
    Both,
    Compare,
    Field,
    NotANumber,
    Null,
    Predicate,
    Prefix,
    Question,
    Value,
    canonical,
    canonical_json,
)

Rows = list[tuple[str, ...]]


class Sql:
    """A dialect of SQL; the other engines differ from PostgreSQL in a few words only."""

    nan_is_greatest = True
    ieee = False
    """Whether the dialect has to be told that NaN compares to nothing."""

    def name_of(self, field: Field) -> str:
        """Return the column."""
        return '"' + field.name.replace('"', '""') + '"'

    def literal(self, value: Value, field: Field) -> str:
        """Return a constant of a column's type."""
        match value:
            case bool():
                return str(value).lower()
            case str():
                return "'" + value.replace("'", "''") + "'"
            case dt.datetime():
                return f"{field.compared} '{canonical(value).removesuffix('Z')}{'+00' if value.tzinfo else ''}'"
            case dt.date():
                return f"date '{canonical(value)}'"
            case float():
                return f"cast('{value!r}' as {field.compared})".replace("'inf'", "'Infinity'").replace(
                    "'-inf'", "'-Infinity'"
                )
            case _:
                return f"cast('{value}' as {field.compared})"

    def is_nan(self, column: str, field: Field) -> str:
        """Return a condition."""
        return f"{column} = cast('NaN' as {field.compared})"

    def condition(self, where: Predicate) -> str:  # noqa: PLR0911 - one a kind of predicate
        """Return a predicate as SQL."""
        match where:
            case Both(one, other, every):
                return f"({self.condition(one)} {'and' if every else 'or'} {self.condition(other)})"
            case Null(field, null):
                return f"{self.name_of(field)} is {'' if null else 'not '}null"
            case NotANumber(field):
                return self.is_nan(self.name_of(field), field)
            case Among(field, values):
                return f"{self.name_of(field)} in ({', '.join(self.literal(value, field) for value in values)})"
            case Prefix(field, prefix):
                return self.prefix(self.name_of(field), prefix)
            case Compare(field, operator, value):
                column = self.name_of(field)
                plain = f"{column} {operator} {self.literal(value, field)}"
                if self.ieee and field.family in {"real", "double"} and operator in {">", ">="}:
                    return f"({plain} and not {self.is_nan(column, field)})"
                return plain

    def prefix(self, column: str, prefix: str) -> str:
        """Return the condition for texts that begin so."""
        if not set(prefix) & {"%", "_", "!", "\\"}:
            return f"{column} like '{prefix.replace(chr(39), chr(39) * 2)}%'"
        escaped = "".join(f"!{letter}" if letter in "%_!" else letter for letter in prefix).replace("'", "''")
        return f"{column} like '{escaped}%' escape '!'"

    def items(self, question: Question) -> str:
        """Return the SELECT list of a question: all of one type, text would lose digits."""
        items = ["count(*)"]
        if (field := question.of) is not None:
            column = self.name_of(field)
            items.append(f"count({column})")
            if field.family in {"real", "double"}:
                column = f"case when not {self.is_nan(column, field)} then {column} end"
            if question.extremes:
                items += [self.out(f"min({column})", field), self.out(f"max({column})", field)]
            if field.sums:
                items.append(self.total(column, field))
        return ", ".join(items)

    def out(self, item: str, field: Field) -> str:
        """Return an item of a SELECT list so that its value arrives exactly."""
        if field.mark:
            return f"{item} is not null"
        return f"cast({item} as double precision)" if field.family == "real" else item

    def total(self, column: str, field: Field) -> str:
        """Return the exact sum."""
        return f"sum(cast({column} as decimal(38,4)))" if field.family == "decimal" else f"sum({column})"

    def query(self, source: str, question: Question) -> str:
        """Return a question in SQL."""
        where = "" if question.where is None else f" where {self.condition(question.where)}"
        return f"select {self.items(question)} from {source}{where}"

    def all(self, source: str, fields: Sequence[Field]) -> str:
        """Return the query of all rows."""
        return f"select {', '.join(self.out(self.name_of(field), field) for field in fields)} from {source}"


def answered(row: Sequence[Any], question: Question) -> Answer:
    """Return a row of counts and aggregates as an answer."""
    family = None if question.of is None else question.of.family
    return tuple(_zero(canonical(value, family if number > 1 else None)) for number, value in enumerate(row))


def _zero(text: str) -> str:
    return "0.0" if text == "-0.0" else text  # which of two equal zeros is the least is nobody's promise


def canonical_rows(rows: Sequence[Sequence[Any]], fields: Sequence[Field]) -> Rows:
    """Return rows of values in canonical texts, sorted."""
    return sorted(tuple(map(_canonical, row, fields)) for row in rows)


def _canonical(value: Any, field: Field) -> str:
    if field.nested:
        return canonical_json(value)
    text = canonical(value, field.family)
    return text if field.signed_zero else _zero(text)


def leaves(where: Predicate | None) -> Iterator[Compare | Among | Prefix | Null | NotANumber]:
    """Yield the parts of a predicate that are about one column."""
    if isinstance(where, Both):
        yield from leaves(where.one)
        yield from leaves(where.other)
    elif where is not None:
        yield where


def values_in(where: Predicate) -> tuple[Any, ...]:
    """Return the constants of a part."""
    return where.values if isinstance(where, Among) else (where.value,) if isinstance(where, Compare) else ()


def nothing(question: Question) -> Answer:
    """Return the answer of a table that has no snapshot yet."""
    count = 1 if question.of is None else 2
    of = question.of
    more = 0 if of is None else 2 * question.extremes + of.sums
    return ("0",) * count + ("∅",) * more
