"""Trino, asked over its HTTP protocol: the environment of these tests has no client of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pyiceberg.table import Table

from differential.questions import Answer, Field, Question, Value
from differential.sql import Rows, Sql, answered, canonical_rows, nothing
from tests import trino_server

HEADERS = {
    "X-Trino-User": "tests",
    "X-Trino-Time-Zone": "UTC",
    "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",  # or times come in milliseconds
}


class TrinoError(RuntimeError):
    """What Trino says is wrong with a query."""


class Trino(Sql):
    """Trino, through the same REST catalog that the target wrote to."""

    name = "Trino"
    nan_is_greatest = False

    def __init__(self, port: int) -> None:
        """Ask a server on loopback."""
        self._server = f"http://127.0.0.1:{port}"

    def unreadable(self, table: Table, snapshot: int | None = None) -> str | None:
        """It reads all."""
        return None

    def understands(self, question: Question, table: Table) -> bool:
        """It understands all."""
        return True

    def rows(self, table: Table, fields: Sequence[Field]) -> Rows:
        """Return all rows in canonical texts, sorted."""
        return canonical_rows(self.query_rows(self.all(_name(table), fields)), fields)

    def answer(self, table: Table, question: Question, snapshots: Sequence[int | None]) -> Answer:
        """Return the answer."""
        snapshot = None if question.load is None else snapshots[question.load - 1]
        if question.load is not None and snapshot is None:
            return nothing(question)
        source = _name(table) + ("" if snapshot is None else f" for version as of {snapshot}")
        (row,) = self.query_rows(self.query(source, question))
        return answered(row, question)

    def compact(self, table: Table) -> None:
        """Write a table's files anew, without delete files."""
        self.query_rows(f"alter table {_name(table)} execute optimize")

    def name_of(self, field: Field) -> str:
        """Return the column; Trino folds names."""
        return super().name_of(field).lower()

    def literal(self, value: Value, field: Field) -> str:
        """Return a constant: times with a zone have it in the text, and are exact to the microsecond."""
        text = super().literal(value, replace(field, compared=field.compared.replace("numeric", "decimal")))
        return (
            text.replace("timestamptz '", "timestamp '").replace("+00'", " UTC'")
            if field.family == "timestamptz"
            else text
        )

    def is_nan(self, column: str, field: Field) -> str:
        """Return a condition."""
        return f"is_nan({column})"

    def out(self, item: str, field: Field) -> str:
        """Return an item of a SELECT list."""
        return f"cast({item} as double)" if field.family == "real" else super().out(item, field)

    def total(self, column: str, field: Field) -> str:
        """Return the exact sum."""
        return f"sum(cast({column} as decimal(38,{4 if field.family == 'decimal' else 0})))"

    def query_rows(self, query: str) -> list[list[Any]]:
        """Return the rows of a query as Python values, times as canonical texts. Raises TrinoError."""
        rows, _ = self.run(query)
        return rows

    def run(self, query: str) -> tuple[list[list[Any]], dict[str, Any]]:
        """Return the rows of a query, and what the server says of its work: splits, bytes. Raises TrinoError."""
        rows: list[list[Any]] = []
        kinds: list[str] = []
        answer: dict[str, Any] = {}
        for answer in trino_server.answers(self._server, query, HEADERS):
            if "error" in answer:
                raise TrinoError(answer["error"]["message"])
            kinds = [column["type"] for column in answer.get("columns", ())] or kinds
            rows += [[_value(*each) for each in zip(row, kinds, strict=True)] for row in answer.get("data", ())]
        return rows, dict(answer["stats"])


def _name(table: Table) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in ("lake", *table.name()))


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind.startswith("decimal"):
        return Decimal(value)
    if kind in {"double", "real"}:
        return float(value)  # also "NaN" and "Infinity"
    return value.replace(" UTC", "Z") if kind.endswith("with time zone") else value
