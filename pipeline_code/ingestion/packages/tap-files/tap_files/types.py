"""Types of columns: what a text of each type looks like, and the type's name in SQL, Arrow and Singer.

Nothing is guessed and nothing is rounded: a number with leading zeros, a plus or a thousands separator is text, and so
is a date that is not ISO 8601. A number with a point is an exact decimal. Only an exponent makes a double, and only if
the double has the same digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from headwater_contracts import ColumnType

BOOLEAN, BIGINT, DOUBLE = ColumnType("boolean"), ColumnType("bigint"), ColumnType("double")
DATE, TIMESTAMP, TIMESTAMPTZ = ColumnType("date"), ColumnType("timestamp"), ColumnType("timestamptz")
TEXT = ColumnType("text")
MOST_DIGITS = 38
SHORT_DIGITS = 18
"""Digits of a decimal that engines hold in 64 bits."""
LEAST_SCALE = 2
EXACT_DIGITS = 15
"""Digits that a double always keeps."""
_BIGINT_DIGITS = 19

_INTEGER = "-?(0|[1-9][0-9]{0,18})"
_NUMBER = "-?(0|[1-9][0-9]*)(\\.[0-9]+)?"
_FLOAT = f"{_NUMBER}([eE][+-]?[0-9]{{1,3}})?"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = f"{_DAY}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\\.[0-9]{{1,6}})?)?"
_ZONE = " ?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)"
PATTERNS: Mapping[str, str] = {
    "boolean": "(?i:true|false)",
    "bigint": _INTEGER,
    "integer": _INTEGER,
    "numeric": _NUMBER,
    "double": _FLOAT,
    "real": _FLOAT,
    "date": _DAY,
    "timestamp": f"{_DAY}|{_MOMENT}",
    "timestamptz": _MOMENT + _ZONE,
}
"""What a text must match as a whole, in the notation that RE2 and Python share."""

_NUMBERS = frozenset({"integer", "bigint", "numeric", "real", "double"})
_TEMPORAL = frozenset({"date", "timestamp", "timestamptz"})
_SINGER: Mapping[str, tuple[str, str, str | None]] = {
    "boolean": ("boolean", "boolean", None),
    "integer": ("integer", "integer", None),
    "bigint": ("bigint", "integer", None),
    "real": ("real", "number", None),
    "double": ("double precision", "number", None),
    "date": ("date", "string", "date"),
    "timestamp": ("timestamp", "string", "date-time"),
    "timestamptz": ("timestamp with time zone", "string", "date-time"),
    "text": ("text", "string", None),
}
_ARROW: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "text": pa.string(),
}


def numeric(digits: int, scale: int) -> ColumnType:
    """Return a decimal for numbers of so many digits before and after the point, with room for longer ones."""
    scale = max(scale, LEAST_SCALE) if digits + max(scale, LEAST_SCALE) <= MOST_DIGITS else scale
    return ColumnType("numeric", SHORT_DIGITS if digits + scale < SHORT_DIGITS else MOST_DIGITS, scale)


def arrow_type(kind: ColumnType) -> pa.DataType:
    """Return the type of a column's values in batches."""
    return _ARROW[kind.name] if kind.precision is None else pa.decimal128(kind.precision, kind.scale)


def arrow_kind(kind: pa.DataType) -> ColumnType:
    """Return the type for an Arrow type; what has none of its own (lists, structs, times) is text."""
    if pa.types.is_decimal(kind) and kind.precision <= MOST_DIGITS and 0 <= kind.scale <= kind.precision:
        return ColumnType("numeric", kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return TIMESTAMP if kind.tz is None else TIMESTAMPTZ
    if pa.types.is_uint64(kind):
        return ColumnType("numeric", 20, 0)
    checks = (
        (pa.types.is_boolean, BOOLEAN),
        (pa.types.is_integer, BIGINT),
        (pa.types.is_floating, DOUBLE),
        (pa.types.is_date, DATE),
    )
    return next((found for holds, found in checks if holds(kind)), TEXT)


def json_schema(kind: ColumnType, *, required: bool = False) -> dict[str, Any]:
    """Return the Singer property: JSON type plus the exact SQL type in `x-sql-datatype`."""
    name, json_type, layout = _SINGER[kind.name] if kind.precision is None else ("numeric", "number", None)
    schema: dict[str, Any] = {"type": [json_type] if required else [json_type, "null"]}
    if layout is not None:
        schema["format"] = layout
    schema["x-sql-datatype"] = name
    if kind.precision is not None:
        schema["x-sql-datatype-properties"] = {"precision": kind.precision, "scale": kind.scale}
    return schema


def parsed(column: str, kind: ColumnType) -> str:
    """Return SQL for a text column's value in a type; null where the text is not exactly such a value."""
    if kind == TEXT:
        return column
    text = f"trim({column})"
    pattern = PATTERNS[kind.name]
    if kind.precision is not None and kind.scale is not None:
        whole = kind.precision - kind.scale
        integer = "0" if whole == 0 else f"(0|[1-9][0-9]{{0,{whole - 1}}})"
        pattern = f"-?{integer}(\\.[0-9]{{0,{kind.scale}}}0*)?"
    sql = str(kind) if kind.precision is None else f"decimal({kind.precision},{kind.scale})"
    # Year 0 is one year before the first: Arrow, Python and Trino's clients have none.
    years = f" and {text} >= '0001'" if kind.name in _TEMPORAL else ""
    kept = f" and ({_keeps_digits(text, sql)})" if kind.name in {"double", "real"} else ""
    return f"case when regexp_full_match({text}, '{pattern}'){years}{kept} then try_cast({text} as {sql}) end"


def _keeps_digits(text: str, sql: str) -> str:
    """Return SQL for whether a floating number, printed with as many digits as its text has, is that text again.

    What a double was printed as, in any length, passes; ids of 18 digits and what becomes zero or infinite do not.
    """
    digits = f"ltrim(regexp_replace(regexp_replace({text}, '[eE].*$', ''), '[^0-9]', '', 'g'), '0')"
    places = f"'{{:.' || greatest(length({digits}) - 1, 0) || 'e}}'"
    printed = f"split_part(format({places}, abs(try_cast({text} as {sql})::double)), 'e', 1)"
    same = f"{digits} = '' or {digits} = regexp_replace({printed}, '[^0-9]', '', 'g')"
    if sql == "real":
        return same
    return f"(length({text}) <= {EXACT_DIGITS} and not regexp_matches({text}, '[eE][-+]?[0-9]{{3}}')) or {same}"


def is_value(column: str, kind: ColumnType) -> str:
    """Return SQL for whether a text column has a value: in anything but text, blanks are none."""
    return f"{column} is not null" if kind == TEXT else f"trim({column}) <> ''"


def joined(one: ColumnType, other: ColumnType) -> ColumnType:
    """Return the narrowest type that holds the values of both."""
    if one == other:
        return one
    if {one.name, other.name} <= _NUMBERS:
        if "double" in {one.name, other.name} or "real" in {one.name, other.name}:
            return DOUBLE
        if "numeric" not in {one.name, other.name}:
            return BIGINT
        scale = max(one.scale or 0, other.scale or 0)
        digits = max(_whole(one), _whole(other))
        return numeric(digits, scale) if digits + scale <= MOST_DIGITS else TEXT
    if {one.name, other.name} == {"date", "timestamp"}:
        return TIMESTAMP
    return TEXT


def grows(kind: ColumnType, wider: ColumnType) -> bool:
    """Whether a table's column of a type may become one of a wider type, its values staying as they are."""
    if kind.name == wider.name == "numeric":
        return kind.scale == wider.scale and (kind.precision or 0) <= (wider.precision or 0)
    return kind == wider or (kind.name, wider.name) in {("integer", "bigint"), ("real", "double")}


def converts(kind: ColumnType, wanted: ColumnType) -> bool:
    """Whether single values of a type may be had in another: numbers, and texts that are one."""
    return wanted in (TEXT, kind) or (wanted.name in _NUMBERS and kind.name in {*_NUMBERS, "text"})


def _whole(kind: ColumnType) -> int:
    return _BIGINT_DIGITS if kind.precision is None else kind.precision - (kind.scale or 0)
