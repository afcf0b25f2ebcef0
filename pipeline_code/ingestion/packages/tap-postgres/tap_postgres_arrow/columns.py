"""How a PostgreSQL column is read, typed in Arrow and described in a Singer schema."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

MAX_DECIMAL_PRECISION = 38
"""Arrow's decimal128 and Iceberg's decimal both end here."""

UNCONSTRAINED_NUMERIC = (38, 9)
"""Precision and scale of a `numeric` column that declares none; a value that does not fit is an error."""

# Base type name in pg_type -> (SQL name, JSON Schema type, JSON Schema format, Arrow type).
_EXACT: dict[str, tuple[str, str, str | None, pa.DataType]] = {
    "bool": ("boolean", "boolean", None, pa.bool_()),
    "int2": ("smallint", "integer", None, pa.int32()),
    "int4": ("integer", "integer", None, pa.int32()),
    "int8": ("bigint", "integer", None, pa.int64()),
    "float4": ("real", "number", None, pa.float32()),
    "float8": ("double precision", "number", None, pa.float64()),
    "date": ("date", "string", "date", pa.date32()),
    "timestamp": ("timestamp", "string", "date-time", pa.timestamp("us")),
    "timestamptz": ("timestamp with time zone", "string", "date-time", pa.timestamp("us", "UTC")),
}
_TEXT = frozenset({"text", "varchar", "bpchar", "name"})
# PostgreSQL's first day is 4713-11-24 BC (Julian day 0); its infinities are the ends of the engine's integers.
_DATE_RANGE = (-2_440_588, (1 << 31) - 2)
_TIMESTAMP_RANGE = (-2_440_588 * 86_400 * 10**6, (1 << 63) - 2)
_REPLICATION_TYPES = frozenset({"int2", "int4", "int8", "date", "timestamp", "timestamptz"})


class UnrepresentableValueError(ValueError):
    """A value of the source does not fit the exact type that its column declares."""


def quoted(identifier: str) -> str:
    """Return an SQL identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True)
class Column:
    """A column as the source declares it.

    `base_type` is the pg_type name with domains resolved; `precision` and `scale` are set for a numeric column
    that declares them; `nullable` is false for NOT NULL.
    """

    name: str
    base_type: str
    nullable: bool
    precision: int | None = None
    scale: int | None = None

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of the decimal this column becomes; None if it is no decimal or needs more digits."""
        if self.base_type != "numeric":
            return None
        if self.precision is None or self.scale is None:
            return UNCONSTRAINED_NUMERIC
        # numeric(5,-2) holds up to 7 integer digits; numeric(2,4) holds 0.00nn, four fractional digits.
        scale = max(self.scale, 0)
        precision = max(self.precision - min(self.scale, 0), scale)
        return (precision, scale) if precision <= MAX_DECIMAL_PRECISION else None

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column's values in batches."""
        if self.decimal is not None:
            return pa.decimal128(*self.decimal)
        exact = _EXACT.get(self.base_type)
        return exact[3] if exact is not None else pa.string()

    @property
    def hides_nan(self) -> bool:
        """Whether the engine reads the column as decimal: it then turns NaN into 0."""
        return self.decimal is not None and self.decimal == (self.precision, self.scale)

    @property
    def expression(self) -> str:
        """SQL select item: types that the engine does not keep exactly are read as the text that PostgreSQL prints."""
        name = quoted(self.name)
        if self.base_type == "bpchar":
            return f"textin(bpcharout({name})) as {name}"  # a cast to text would cut the blanks off
        native = self.base_type in _EXACT or self.base_type in _TEXT or self.hides_nan
        return name if native else f"{name}::text as {name}"

    @property
    def can_replicate(self) -> bool:
        """Whether the column can be a replication key."""
        return self.base_type in _REPLICATION_TYPES

    def json_schema(self) -> dict[str, Any]:
        """Return the Singer property: JSON type plus the exact SQL type in `x-sql-datatype`."""
        name, kind, layout, properties = "text", "string", None, None
        if self.decimal is not None:
            name, kind = "numeric", "number"
            properties = dict(zip(("precision", "scale"), self.decimal, strict=True))
        elif self.base_type in _EXACT:
            name, kind, layout, _ = _EXACT[self.base_type]
        schema: dict[str, Any] = {"type": [kind, "null"] if self.nullable else [kind]}
        if layout is not None:
            schema["format"] = layout
        schema["x-sql-datatype"] = name
        if properties is not None:
            schema["x-sql-datatype-properties"] = properties
        return schema


def conform(array: pa.Array, column: Column, relation: str) -> pa.Array:
    """Return `array`, as the driver read it, in the column's exact Arrow type.

    Raises UnrepresentableValueError with table, column and value when a value does not fit.
    """
    kind = column.arrow_type
    if pa.types.is_temporal(kind):
        _check_range(array, column, relation)
    if array.type == kind:
        return array
    try:
        return pc.cast(array, kind)
    except pa.ArrowInvalid as error:
        value = _first_unfit(array, column)
        raise UnrepresentableValueError(
            f"{relation}, column {column.name}: value {value!r} does not fit {column.arrow_type}. "
            "Declare the column's precision and scale in the source, or deselect the column."
        ) from error


def _check_range(array: pa.Array, column: Column, relation: str) -> None:
    """Raise UnrepresentableValueError for infinity, and for times that Arrow's range lacks: the engine wraps them."""
    number = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
    limits = pc.min_max(array.cast(number))
    smallest, greatest = limits["min"].as_py(), limits["max"].as_py()
    if smallest is None:
        return
    low, high = _DATE_RANGE if number == pa.int32() else _TIMESTAMP_RANGE
    if smallest < low or greatest > high:
        raise UnrepresentableValueError(
            f"{relation}, column {column.name}: a value is infinity or outside of what {column.arrow_type} holds. "
            "Correct the value in the source, or deselect the column."
        )


def _first_unfit(array: pa.Array, column: Column) -> Any:
    """Return the first value that can't be cast on its own; only called after the whole array failed."""
    for value in array:
        try:
            pc.cast(pa.array([value.as_py()], array.type), column.arrow_type)
        except (pa.ArrowInvalid, decimal.DecimalException):
            return value.as_py()
    return None


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Return the Arrow schema of a stream's batches."""
    return pa.schema([pa.field(column.name, column.arrow_type, column.nullable) for column in columns])
