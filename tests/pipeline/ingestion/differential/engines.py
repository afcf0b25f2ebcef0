"""Who is asked: PostgreSQL, which knows the truth, and the engines that read the lake's table."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import reading
from pyiceberg import expressions as iceberg
from pyiceberg.manifest import DataFileContent, ManifestContent
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform, IdentityTransform, MonthTransform, TruncateTransform
from pyiceberg.types import DecimalType, TimestampType, TimestamptzType

from differential.questions import (
    LONGEST,
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
    as_real,
)
from differential.sql import Rows, Sql, answered, canonical_rows, leaves, nothing, values_in

EQUALITY_DELETES = "equality deletes"
"""Why pyiceberg can't read a table until it is compacted."""


class Engine(Protocol):
    """Reads a table of the lake. `snapshots` are those after each load, the first at 0; None where there was none."""

    name: str
    nan_is_greatest: bool
    """Whether NaN is equal to itself and greater than all numbers, as for PostgreSQL, or comparable to none."""

    def unreadable(self, table: Table, snapshot: int | None = None) -> str | None:
        """Return why the engine can't read this table as of a snapshot (the current one); None if it can."""

    def understands(self, question: Question, table: Table) -> bool:
        """Return whether the engine can be asked this of a table."""

    def rows(self, table: Table, fields: Sequence[Field]) -> Rows:
        """Return all rows in canonical texts, sorted."""

    def answer(self, table: Table, question: Question, snapshots: Sequence[int | None]) -> Answer:
        """Return the answer."""


class Truth(Sql):
    """PostgreSQL, asked about a mirror."""

    def __init__(self, connection: psycopg.Connection[Any], *, ieee: bool = False) -> None:
        """Ask through `connection`."""
        self.connection, self.ieee = connection, ieee

    def name_of(self, field: Field) -> str:
        """Return the column of the mirror."""
        return "gone" if field.mark else f"c{field.number}"

    def literal(self, value: Value, field: Field) -> str:
        """Return a constant; a backslash is one in any session."""
        return super().literal(value, field)

    def total(self, column: str, field: Field) -> str:
        """Return the exact sum: numeric has no end here."""
        return f"sum({column}::numeric)"

    def answer(self, mirror: str, question: Question) -> Answer:
        """Return what is right."""
        row = self.connection.execute(self.query(mirror, question)).fetchone()
        assert row is not None
        return answered(row, question)

    def rows(self, mirror: str, fields: Sequence[Field]) -> Rows:
        """Return all rows that are right."""
        return canonical_rows(self.connection.execute(self.all(mirror, fields)).fetchall(), fields)


class DuckDb(Sql):
    """DuckDB's iceberg extension."""

    name = "DuckDB"

    def __init__(self, *, store: bool = False) -> None:
        """Open one connection for all questions. store: also for tables in the private object store."""
        self._connection = reading.connect()
        if store:
            reading.open_store(self._connection)

    def unreadable(self, table: Table, snapshot: int | None = None) -> str | None:
        """It misses times before 1970 in partitions of days and months, and fails on negative numbers under truncate.

        The first is duckdb/duckdb-iceberg#1361; the second is an internal error that says so. Both are of 1.5.5.
        """
        schema = table.schema()
        for field in table.spec().fields:
            kind, transform = schema.find_type(field.source_id), field.transform
            if isinstance(kind, TimestampType | TimestamptzType) and isinstance(
                transform, DayTransform | MonthTransform
            ):
                return "duckdb/duckdb-iceberg#1361"
            if isinstance(kind, DecimalType) and isinstance(transform, TruncateTransform):
                return "negative decimals under truncate"
        return None

    def understands(self, question: Question, table: Table) -> bool:
        """It understands all."""
        return True

    def _source(self, table: Table, snapshot: int | None = None) -> str:
        path = table.metadata_location.removeprefix("file://").replace("'", "''")
        return f"iceberg_scan('{path}'" + (")" if snapshot is None else f", snapshot_from_id = {snapshot})")

    def rows(self, table: Table, fields: Sequence[Field]) -> Rows:
        """Return all rows in canonical texts, sorted."""
        if table.current_snapshot() is None:
            return []
        return canonical_rows(self._fetch(self.all(self._source(table), fields)), fields)

    def answer(self, table: Table, question: Question, snapshots: Sequence[int | None]) -> Answer:
        """Return the answer."""
        snapshot = None if question.load is None else snapshots[question.load - 1]
        if table.current_snapshot() is None or (question.load is not None and snapshot is None):
            return nothing(question)
        (row,) = self._fetch(self.query(self._source(table, snapshot), question))
        return answered(row, question)

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        found: pa.Table = self._connection.execute(query).to_arrow_table()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


class PyIceberg:
    """pyiceberg's scan with a row filter; what is aggregated is what it returns."""

    name = "pyiceberg"
    nan_is_greatest = False

    def unreadable(self, table: Table, snapshot: int | None = None) -> str | None:
        """It knows no equality deletes."""
        found = table.current_snapshot() if snapshot is None else table.snapshot_by_id(snapshot)
        for manifest in [] if found is None else found.manifests(table.io):
            if manifest.content is ManifestContent.DELETES:
                for entry in manifest.fetch_manifest_entry(table.io):
                    if entry.data_file.content is DataFileContent.EQUALITY_DELETES:
                        return EQUALITY_DELETES
        return None

    def understands(self, question: Question, table: Table) -> bool:
        """Leave out what pyiceberg 0.12 does not know, each an error of its own.

        A name with a dot is a field within a struct to it; infinity more than a `real` can hold; a null partition
        value can't be compared; before the first and after the last date of Python there is no day to look in.
        """
        cut = {table.schema().find_column_name(field.source_id): field.transform for field in table.spec().fields}
        for each in leaves(question.where):
            name, values = each.field.name, values_in(each)
            if "." in name or (each.field.family == "real" and any(map(math.isinf, values))):
                return False
            if isinstance(cut.get(name), IdentityTransform) and not isinstance(each, Null):
                return False
            if name in cut and each.field.family == "date" and {dt.date.min, dt.date.max} & set(values):
                return False
        return True

    def rows(self, table: Table, fields: Sequence[Field]) -> Rows:
        """Return all rows in canonical texts, sorted."""
        found = table.scan().to_arrow()
        columns = [
            [value is not None for value in values] if field.mark else values
            for field in fields
            for values in [found.column(field.name).to_pylist()]
        ]
        return canonical_rows(list(zip(*columns, strict=True)), fields)

    def answer(self, table: Table, question: Question, snapshots: Sequence[int | None]) -> Answer:
        """Return the answer."""
        snapshot = None if question.load is None else snapshots[question.load - 1]
        if table.current_snapshot() is None or (question.load is not None and snapshot is None):
            return nothing(question)
        where = iceberg.AlwaysTrue() if question.where is None else self._expression(question.where)
        found = table.scan(row_filter=where, snapshot_id=snapshot).to_arrow()
        row: list[Any] = [found.num_rows]
        if (field := question.of) is not None:
            column = found.column(field.name)
            row.append(found.num_rows - column.null_count)
            if field.family in {"real", "double"}:
                column = column.filter(pc.invert(pc.is_nan(column)))
            if question.extremes:
                row += [pc.min(column).as_py(), pc.max(column).as_py()]
            if field.sums:
                values = [value for value in column.to_pylist() if value is not None]
                row.append(sum(values, Decimal(0)) if values else None)
        return answered(row, question)

    def _expression(self, where: Predicate) -> iceberg.BooleanExpression:
        match where:
            case Both(one, other, every):
                left, right = self._expression(one), self._expression(other)
                return iceberg.And(left, right) if every else iceberg.Or(left, right)
            case Null(field, null):
                return iceberg.IsNull(field.name) if null else iceberg.NotNull(field.name)
            case NotANumber(field):
                return iceberg.IsNaN(field.name)
            case Among(field, values):
                return iceberg.In(field.name, {*values})
            case Prefix(field, prefix):
                return iceberg.StartsWith(field.name, prefix)
            case Compare(field, operator, value):
                kinds = {
                    "=": iceberg.EqualTo, "<>": iceberg.NotEqualTo, "<": iceberg.LessThan,
                    "<=": iceberg.LessThanOrEqual, ">": iceberg.GreaterThan, ">=": iceberg.GreaterThanOrEqual,
                }  # fmt: skip
                return kinds[operator](field.name, value)


def asked_about(value: Any, field: Field) -> Value | None:
    """Return a value of the mirror as one that a question may have; None for one that it can't."""
    if value is None or (isinstance(value, float | Decimal) and value != value):  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, str):
        return value[:LONGEST] if "\x00" not in value else None
    return as_real(value) if field.family == "real" else value
