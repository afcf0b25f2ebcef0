"""Singer schemas as Iceberg schemas, and how one may grow into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from headwater_contracts import ColumnType
from pyiceberg.exceptions import ResolveError
from pyiceberg.schema import Schema, promote
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

LOADED_AT = "_loaded_at"
"""Column that the target adds: start of the load, the same for all rows of a run."""

_SQL_TYPES: dict[str, IcebergType] = {
    "boolean": BooleanType(),
    "smallint": IntegerType(),
    "integer": IntegerType(),
    "bigint": LongType(),
    "real": FloatType(),
    "double precision": DoubleType(),
    "date": DateType(),
    "timestamp": TimestampType(),
    "timestamp with time zone": TimestamptzType(),
    "text": StringType(),
}
_CONTRACT_TYPES: dict[str, IcebergType] = {
    "boolean": BooleanType(),
    "integer": IntegerType(),
    "bigint": LongType(),
    "real": FloatType(),
    "double": DoubleType(),
    "date": DateType(),
    "timestamp": TimestampType(),
    "timestamptz": TimestamptzType(),
    "text": StringType(),
}
_NAMES = {kind: name for name, kind in _CONTRACT_TYPES.items()}
_MAX_PRECISION = 38


def iceberg_type(kind: ColumnType) -> IcebergType:
    """Return the Iceberg type of a contract's type."""
    if kind.precision is not None and kind.scale is not None:
        return DecimalType(kind.precision, kind.scale)
    return _CONTRACT_TYPES[kind.name]


def contract_type(kind: IcebergType) -> ColumnType:
    """Return how a contract says an Iceberg type; types that this target never writes keep Iceberg's name."""
    if isinstance(kind, DecimalType):
        return ColumnType("numeric", kind.precision, kind.scale)
    return ColumnType(_NAMES.get(kind, str(kind)))


def column_type(property_schema: Mapping[str, Any]) -> tuple[IcebergType, bool]:
    """Return the Iceberg type of a Singer property and whether its values are never null.

    `x-sql-datatype` (with `x-sql-datatype-properties` precision and scale for numeric) is exact and wins. Otherwise
    JSON types decide: integers are long, numbers with a decimal `multipleOf` are decimals, other numbers double,
    objects, arrays and unions are strings that hold JSON.
    """
    kinds, merged = _variants(property_schema)
    required = bool(kinds) and "null" not in kinds
    sql = merged.get("x-sql-datatype")
    if sql == "numeric" and (limits := merged.get("x-sql-datatype-properties")):
        return DecimalType(limits["precision"], limits["scale"]), required
    if sql in _SQL_TYPES:
        return _SQL_TYPES[sql], required
    return _json_type(frozenset(kinds - {"null"}), merged), required


def _json_type(values: frozenset[str], keywords: Mapping[str, Any]) -> IcebergType:
    if values in ({"number"}, {"number", "integer"}):
        scale = _decimal_scale(keywords.get("multipleOf"))
        return DoubleType() if scale is None else DecimalType(_MAX_PRECISION, scale)
    layout = keywords.get("format") if values == {"string"} else None
    by_kind: dict[tuple[frozenset[str], Any], IcebergType] = {
        (frozenset({"boolean"}), None): BooleanType(),
        (frozenset({"integer"}), None): LongType(),
        (frozenset({"string"}), "date-time"): TimestamptzType(),
        (frozenset({"string"}), "date"): DateType(),
    }
    return by_kind.get((values, layout), StringType())


def _variants(schema: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    """Return all JSON types that a property may have, and its keywords with those of its anyOf/oneOf variants."""
    kinds: set[str] = set()
    merged: dict[str, Any] = {}
    for part in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kind = part.get("type", ())
        kinds.update([kind] if isinstance(kind, str) else kind)
        merged.update(part)
    return kinds, merged


def _decimal_scale(multiple_of: Any) -> int | None:
    """Return 2 for 0.01, 0 for 1, None for anything that is no power of ten up to 1."""
    if multiple_of is None:
        return None
    exact = Decimal(str(multiple_of)).normalize().as_tuple()
    is_power = exact.digits == (1,) and isinstance(exact.exponent, int) and exact.exponent <= 0
    return -int(exact.exponent) if is_power else None


def iceberg_schema(stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> Schema:
    """Return the table schema of a Singer stream: its properties, `_loaded_at`, keys as identifier fields.

    Raises ValueError if the stream has a property `_loaded_at` or a key that is not among its properties.
    """
    properties: Mapping[str, Any] = schema["properties"]
    if LOADED_AT in properties:
        raise ValueError(f"stream {stream}: column {LOADED_AT} is the target's own; rename or deselect it")
    if missing := [key for key in key_properties if key not in properties]:
        raise ValueError(f"stream {stream}: key properties {missing} are not among its columns {sorted(properties)}")
    # JSON Schema lets a property be absent unless it is listed: absent is null here.
    always = {*schema.get("required", ()), *key_properties}
    fields = []
    for number, (name, property_schema) in enumerate(properties.items(), start=1):
        kind, never_null = column_type(property_schema)
        required = name in key_properties or (never_null and name in always)
        fields.append(NestedField(number, name, kind, required=required))
    fields.append(NestedField(len(fields) + 1, LOADED_AT, TimestamptzType(), required=True))
    return with_identifiers(fields, key_properties)


def with_identifiers(fields: Sequence[NestedField], keys: Sequence[str]) -> Schema:
    """Return the schema of `fields`, numbered anew; `keys` are its identifiers where Iceberg allows all of them."""
    numbered = [
        NestedField(number, each.name, each.field_type, doc=each.doc, required=each.required)
        for number, each in enumerate(fields, start=1)
    ]
    identifiers = [
        each.field_id
        for each in numbered
        if each.name in keys and each.required and not isinstance(each.field_type, FloatType | DoubleType)
    ]
    return Schema(*numbered, identifier_field_ids=identifiers if len(identifiers) == len(keys) else [])


def widened(table: str, column: str, existing: IcebergType, wanted: IcebergType) -> IcebergType | None:
    """Return the type that the column must be widened to, None if it holds the wanted values already.

    Raises ValueError naming table, column and both types if neither holds the other's values.
    """
    if holds(existing, wanted):
        return None
    if holds(wanted, existing):
        return wanted
    raise ValueError(
        f"table {table}, column {column}: the source now sends {wanted}, the table holds {existing}, and neither can "
        "hold the other's values. Rename the column in the source, or drop it from the table and load in full."
    )


def holds(wide: IcebergType, narrow: IcebergType) -> bool:
    """Whether Iceberg reads every value written as `narrow` unchanged as `wide`."""
    if isinstance(wide, DecimalType) and isinstance(narrow, DecimalType):
        return wide.scale == narrow.scale and wide.precision >= narrow.precision  # promote() ignores the scale
    try:
        return wide == narrow or bool(promote(narrow, wide) == wide)
    except ResolveError:
        return False


def stores(wide: IcebergType, narrow: IcebergType) -> bool:
    """Whether every value of `narrow` can be written as `wide` unchanged: also a decimal with fewer places."""
    if isinstance(wide, DecimalType) and isinstance(narrow, DecimalType):
        return wide.scale >= narrow.scale and wide.precision - wide.scale >= narrow.precision - narrow.scale
    return holds(wide, narrow)
