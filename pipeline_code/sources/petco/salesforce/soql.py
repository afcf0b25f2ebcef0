"""SOQL, the part of it that reads one object: text to a tree.

SELECT fields or COUNT() FROM object, WHERE with comparisons, LIKE, IN, AND, OR, NOT and parentheses, ORDER BY, LIMIT,
OFFSET. What is missing (relationships, aggregates, GROUP BY) is refused as the real API refuses what it does not know.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from petco.salesforce.errors import ApiError, invalid_field, malformed

Value = str | Decimal | datetime | date | bool | None

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<day>\d{4}-\d\d-\d\d)
      | (?P<number>[+-]?\d+(?:\.\d+)?)
      | (?P<word>[A-Za-z][\w.]*)
      | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_COMPARISONS = {"=": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True)
class Name:
    """A field as written, and where: for the message when it does not exist."""

    text: str
    position: int


@dataclass(frozen=True)
class Comparison:
    """`field operator values`; `operator` in SQL's spelling, one value but for IN and NOT IN."""

    field: Name
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Group:
    """Conditions that AND or OR joins; NOT has one."""

    joint: Literal["AND", "OR", "NOT"]
    parts: "tuple[Condition, ...]"


Condition = Comparison | Group


@dataclass(frozen=True)
class Order:
    """One field of ORDER BY."""

    field: Name
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class Query:
    """A parsed query. No fields mean COUNT()."""

    text: str
    fields: tuple[Name, ...]
    entity: Name
    where: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int

    @property
    def counts(self) -> bool:
        """Whether it asks for the number of rows only."""
        return not self.fields


def parse(text: str) -> Query:
    """The tree of a query. Raises ApiError MALFORMED_QUERY, or INVALID_FIELD for a relationship."""
    return _Parser(text).query()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise malformed(f"unexpected token: '{text[start]}'", text, start)
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return [*found, _Token("end", "<EOF>", end)]


class _Parser:
    """Recursive descent over the tokens, one method a rule."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def query(self) -> Query:
        self._keyword("SELECT")
        fields = self._fields()
        self._keyword("FROM")
        entity = self._name()
        where = self._condition() if self._accept("WHERE") else None
        order: tuple[Order, ...] = ()
        if self._accept("ORDER"):
            self._keyword("BY")
            order = self._orders()
        limit = self._whole() if self._accept("LIMIT") else None
        offset = self._whole() if self._accept("OFFSET") else 0
        if self._peek().kind != "end":
            raise self._unexpected()
        return Query(self._text, fields, entity, where, order, limit, offset)

    def _fields(self) -> tuple[Name, ...]:
        first = self._peek()
        following = self._tokens[self._next + 1] if first.kind == "word" else first
        if first.text.upper() == "COUNT" and following.text == "(":
            self._next += 2
            self._sign(")")
            return ()
        fields = [self._name()]
        while self._is_sign(","):
            self._next += 1
            fields.append(self._name())
        for index, field in enumerate(fields):
            if field.text.lower() in {earlier.text.lower() for earlier in fields[:index]}:
                raise ApiError(400, "INVALID_FIELD", f"duplicate field selected: {field.text}")
        return tuple(fields)

    def _condition(self) -> Condition:
        parts = [self._simple()]
        joint = self._peek().text.upper()
        if joint not in {"AND", "OR"}:
            return parts[0]
        # The real parser, too, refuses AND beside OR without parentheses.
        while self._accept(joint):
            parts.append(self._simple())
        if self._peek().text.upper() in {"AND", "OR"}:
            raise self._unexpected()
        return Group("AND" if joint == "AND" else "OR", tuple(parts))

    def _simple(self) -> Condition:
        if self._accept("NOT"):
            return Group("NOT", (self._simple(),))
        if self._is_sign("("):
            self._next += 1
            inner = self._condition()
            self._sign(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        field = self._name()
        token = self._take()
        if token.kind == "sign" and token.text in _COMPARISONS:
            return Comparison(field, _COMPARISONS[token.text], (self._value(),))
        word = token.text.upper()
        if word == "LIKE":
            return Comparison(field, "LIKE", (self._value(),))
        if word == "NOT":
            self._keyword("IN")
            return Comparison(field, "NOT IN", self._list())
        if word == "IN":
            return Comparison(field, "IN", self._list())
        self._next -= 1
        raise self._unexpected()

    def _list(self) -> tuple[Value, ...]:
        self._sign("(")
        values = [self._value()]
        while self._is_sign(","):
            self._next += 1
            values.append(self._value())
        self._sign(")")
        return tuple(values)

    def _value(self) -> Value:
        token = self._take()
        match token.kind:
            case "text":
                return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token.text[1:-1])
            case "moment" | "day":
                try:
                    whole = token.kind == "moment"
                    return datetime.fromisoformat(token.text) if whole else date.fromisoformat(token.text)
                except ValueError as error:
                    raise malformed(f"{error}: {token.text}", self._text, token.position) from error
            case "number":
                return Decimal(token.text)
            case "word" if token.text.upper() in {"TRUE", "FALSE", "NULL"}:
                return {"TRUE": True, "FALSE": False, "NULL": None}[token.text.upper()]
        self._next -= 1
        raise self._unexpected()

    def _orders(self) -> tuple[Order, ...]:
        orders: list[Order] = []
        while not orders or self._is_sign(","):
            self._next += bool(orders)
            field = self._name()
            descending = bool(self._accept("DESC"))
            if not descending:
                self._accept("ASC")
            nulls_first = True
            if self._accept("NULLS"):
                nulls_first = bool(self._accept("FIRST"))
                if not nulls_first:
                    self._keyword("LAST")
            orders.append(Order(field, descending, nulls_first))
        return tuple(orders)

    def _whole(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit():
            self._next -= 1
            raise self._unexpected()
        return int(token.text)

    def _name(self) -> Name:
        token = self._take()
        if token.kind != "word":
            self._next -= 1
            raise self._unexpected()
        if "." in token.text:
            relation = token.text.split(".", maxsplit=1)[0]
            raise invalid_field(
                f"Didn't understand relationship '{relation}' in field path. If you are attempting to use a custom "
                "relationship, be sure to append the '__r' after the custom relationship name. Please reference your "
                "WSDL or the describe call for the appropriate names.",
                self._text,
                token.position,
            )
        return Name(token.text, token.position)

    def _peek(self) -> _Token:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _take(self) -> _Token:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, word: str) -> bool:
        found = self._peek().kind == "word" and self._peek().text.upper() == word
        self._next += found
        return found

    def _keyword(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected()

    def _is_sign(self, sign: str) -> bool:
        return self._peek().kind == "sign" and self._peek().text == sign

    def _sign(self, sign: str) -> None:
        if not self._is_sign(sign):
            raise self._unexpected()
        self._next += 1

    def _unexpected(self) -> ApiError:
        token = self._peek()
        return malformed(f"unexpected token: '{token.text}'", self._text, token.position)
