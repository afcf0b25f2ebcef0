"""How a PostgreSQL column is read and described in a Singer schema; arrow.py has its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_DECIMAL_PRECISION = 38
"""Arrow's decimal128 and Iceberg's decimal both end here."""

UNCONSTRAINED_NUMERIC = (38, 9)
"""Precision and scale of a `numeric` column that declares none; a value that does not fit is an error."""

# Base type name in pg_type -> (SQL name, JSON Schema type, JSON Schema format, the engine's type).
_EXACT: dict[str, tuple[str, str, str | None, str]] = {
    "bool": ("boolean", "boolean", None, "boolean"),
    "int2": ("smallint", "integer", None, "integer"),
    "int4": ("integer", "integer", None, "integer"),
    "int8": ("bigint", "integer", None, "bigint"),
    "float4": ("real", "number", None, "float"),
    "float8": ("double precision", "number", None, "double"),
    "date": ("date", "string", "date", "date"),
    "timestamp": ("timestamp", "string", "date-time", "timestamp"),
    "timestamptz": ("timestamp with time zone", "string", "date-time", "timestamptz"),
}
TEMPORAL = frozenset({"date", "timestamp", "timestamptz"})
_TEXT = frozenset({"text", "varchar", "name"})
_PRINTED = {"bpchar": "bpcharout", "inet": "inet_out", "cidr": "cidr_out", "xml": "xml_out"}
"""Output functions of types whose cast to text is another text: without blanks, with a mask, with an encoding."""
_NUMERIC_HEADER = 4
_REPLICATION_TYPES = frozenset({"int2", "int4", "int8", "date", "timestamp", "timestamptz"})


class UnrepresentableValueError(ValueError):
    """A value of the source does not fit the exact type that its column declares."""


def numeric_limits(typmod: int) -> tuple[int | None, int | None]:
    """Return precision and scale of a numeric typmod; (None, None) if it declares none. Source: numeric.c."""
    if typmod < _NUMERIC_HEADER:
        return None, None
    packed = typmod - _NUMERIC_HEADER
    scale = packed & 0x7FF  # 11 bits, signed
    return (packed >> 16) & 0xFFFF, (scale ^ 1024) - 1024


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
    def type_name(self) -> str:
        """Name of the exact type in the engine, such as decimal(12,2) or timestamptz; arrow.py knows them all."""
        if self.decimal is not None:
            return "decimal({},{})".format(*self.decimal)
        exact = _EXACT.get(self.base_type)
        return exact[3] if exact is not None else "varchar"

    @property
    def is_read_exactly(self) -> bool:
        """Whether the engine reads the column in its exact type; else it reads text, which Arrow then converts."""
        return self.decimal is None or self.hides_nan

    @property
    def hides_nan(self) -> bool:
        """Whether the engine reads the column as decimal: it then turns NaN into 0."""
        return self.decimal is not None and self.decimal == (self.precision, self.scale)

    @property
    def value(self) -> str:
        """SQL of a value: types that the engine does not keep exactly are read as the text that PostgreSQL prints."""
        name = quoted(self.name)
        if self.base_type in _PRINTED:
            return f"textin({_PRINTED[self.base_type]}({name}))"
        native = self.base_type in _EXACT or self.base_type in _TEXT or self.hides_nan
        return name if native else f"{name}::text"

    @property
    def expression(self) -> str:
        """SQL select item: the value under the column's name."""
        return f"{self.value} as {quoted(self.name)}"

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
