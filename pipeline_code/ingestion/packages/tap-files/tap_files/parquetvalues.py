"""Parquet's values in the types of columns, exactly or not at all; and as text by one rule.

Bytes are base64; uuids and enums are their text; dates and times are ISO 8601. Nested values are JSON: maps are
objects, NaN and infinity are the texts "NaN", "Infinity", "-Infinity", as PostgreSQL writes them.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from headwater_contracts import ColumnType

from tap_files.types import arrow_type

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""Years 1 to 9999 as days since 1970: what Trino's clients, Python and other readers have."""
_CYCLE_DAYS = 146_097
_DAY_US = 86_400_000_000
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class UnfitError(ValueError):
    """A value that can't be had as text."""


def plain(array: pa.Array) -> pa.Array:
    """Return values without dictionary; of an extension what it is stored as, but a uuid's text."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not isinstance(array.type, pa.BaseExtensionType):
        return array
    if array.type.extension_name == "arrow.uuid":
        texts = [None if each is None else str(uuid.UUID(bytes=each)) for each in array.storage.to_pylist()]
        return pa.array(texts, pa.string())
    return plain(array.storage)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of what `plain` returns."""
    return plain(pa.nulls(0, kind)).type


def coerced(array: pa.Array, kind: ColumnType) -> tuple[pa.Array, list[int]]:
    """Return values of `plain` in another type, and the rows whose value can't be had in it unchanged: null there."""
    wanted = arrow_type(kind)
    if kind.name == "text" and not is_text(array.type):
        return _each(array, wanted, text)
    if is_text(array.type) and not is_text(wanted):
        return _within_years(*_each(array, wanted, lambda scalar: _read(scalar, wanted)))
    try:
        found, wrong = pc.cast(array, wanted), list[int]()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        found, wrong = _each(array, wanted, lambda scalar: pc.cast(scalar, wanted).as_py())
    return _within_years(found, wrong)


def checked(array: pa.Array) -> pa.Array:
    """Return values of `plain`; texts as bytes where one is no UTF-8, which no writer of Parquet has to check."""
    if is_text(array.type):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return pc.cast(array, pa.large_binary())
    return array


def is_text(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are texts."""
    return any(holds(kind) for holds in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _read(scalar: pa.Scalar, wanted: pa.DataType) -> Any:
    """Return what a text says in another type. UnfitError where it is written otherwise: 007 is not 7."""
    found = pc.cast(scalar, wanted)
    if pc.cast(found, pa.string()).as_py() != scalar.as_py():
        raise UnfitError(f"{scalar.as_py()!r} is no {wanted}")
    return found.as_py()


def _each(array: pa.Array, wanted: pa.DataType, convert: Callable[[pa.Scalar], Any]) -> tuple[pa.Array, list[int]]:
    values: list[Any] = []
    wrong = []
    for row, each in enumerate(array):
        try:
            values.append(convert(each) if each.is_valid else None)
        except (pa.ArrowException, ValueError, OverflowError):
            values.append(None)
            wrong.append(row)
    return pa.array(values, wanted), wrong


def _within_years(array: pa.Array, wrong: list[int]) -> tuple[pa.Array, list[int]]:
    """Return dates and times with nulls for those beyond years 1 to 9999, and those rows' numbers, too."""
    if pa.types.is_date32(array.type):
        numbers, least, most = array.cast(pa.int32()), _FIRST_DAY, _LAST_DAY
    elif pa.types.is_timestamp(array.type):
        numbers, least, most = array.cast(pa.int64()), _FIRST_DAY * _DAY_US, (_LAST_DAY + 1) * _DAY_US - 1
    else:
        return array, wrong
    beyond = pc.fill_null(pc.or_(pc.less(numbers, least), pc.greater(numbers, most)), fill_value=False)
    if not pc.any(beyond).as_py():
        return array, wrong
    more = [row for row, is_beyond in enumerate(beyond.to_pylist()) if is_beyond]
    return pc.if_else(beyond, pa.scalar(None, array.type), array), sorted({*wrong, *more})


def text(scalar: pa.Scalar) -> str | None:
    """Return a value as text. UnfitError where that can't be."""
    value = _value(scalar)
    if value is None or isinstance(value, str):
        return value
    return _json(value)


def _value(scalar: pa.Scalar) -> Any:
    """Return what JSON has for a value: None, bool, int, float, Decimal, text, list, dict."""
    kind = scalar.type
    if not scalar.is_valid:
        found: Any = None
    elif pa.types.is_dictionary(kind):
        found = _value(scalar.value)
    elif isinstance(kind, pa.BaseExtensionType):
        found = _value(plain(_single(scalar))[0])
    elif pa.types.is_struct(kind):
        found = {name: _value(each) for name, each in scalar.items()}
    elif pa.types.is_map(kind):
        found = _object(scalar)
    elif pa.types.is_nested(kind):
        found = [_value(each) for each in scalar.values]
    else:
        found = _moment(scalar) if pa.types.is_temporal(kind) else _leaf(scalar)
    return found


def _leaf(scalar: pa.Scalar) -> Any:
    value = scalar.as_py()
    if pa.types.is_float32(scalar.type):
        value = float(pc.cast(scalar, pa.string()).as_py())  # the shortest text that says the same
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, bool | int | float | Decimal | str) else str(value)


def _single(scalar: pa.ExtensionScalar) -> pa.Array:
    return pa.ExtensionArray.from_storage(scalar.type, pa.array([scalar.value.as_py()], scalar.type.storage_type))


def _object(scalar: pa.MapScalar) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in scalar.values:
        key, value = entry.values()
        name = text(key)
        if name is None or name in found:
            raise UnfitError(
                f"the map has the key {name!r} twice" if name in found else "the map has a key that is null"
            )
        found[name] = _value(value)
    return found


def _moment(scalar: pa.Scalar) -> str:
    """Return a date, time or duration in ISO 8601, with all digits that it has."""
    kind = scalar.type
    if (pa.types.is_timestamp(kind) or pa.types.is_date(kind)) and not _is_in_years(scalar):
        raise UnfitError("the time is beyond the years 1 to 9999")
    if pa.types.is_date(kind):
        return str(pc.cast(scalar, pa.string()).as_py())
    unit = _PER_SECOND[kind.unit]
    if pa.types.is_duration(kind):
        seconds, parts = divmod(abs(scalar.value), unit)
        fraction = f".{parts:0{len(str(unit)) - 1}d}".rstrip("0") if parts else ""
        return f"{'-' if scalar.value < 0 else ''}PT{seconds}{fraction}S"
    seconds, parts = divmod(scalar.value, unit)
    micros, below = divmod(parts * 10**9 // unit, 1000)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds, microseconds=micros)
    more = f".{micros:06d}{below:03d}" if below else ""
    if pa.types.is_time(kind):
        return f"{moment:%H:%M:%S}{more}" if below else moment.time().isoformat()
    if kind.tz is None:
        moment = moment.replace(tzinfo=None)
    return (
        moment.isoformat()
        if not below
        else moment.replace(microsecond=0).isoformat().replace("+", f"{more}+", 1) + (more if kind.tz is None else "")
    )


def far(scalar: pa.Scalar) -> str:
    """Return a date or time of any year as PostgreSQL writes it: 10000-01-01, 0044-03-15 BC."""
    kind = scalar.type
    a_day = _a_day(kind)
    days, within = divmod(scalar.value, a_day)
    # The calendar repeats after 400 years.
    cycles, day = divmod(days - _FIRST_DAY, _CYCLE_DAYS)
    known = dt.date.fromordinal(day + 1)
    year = known.year + 400 * cycles
    text = f"{year if year > 0 else 1 - year:04d}-{known:%m-%d}"
    if pa.types.is_timestamp(kind):
        seconds, parts = divmod(within * 86_400, a_day)
        text += f" {dt.datetime.min + dt.timedelta(seconds=seconds):%H:%M:%S}"
        text += f".{parts * 10**9 // a_day:09d}".rstrip("0") if parts else ""
        text += "" if kind.tz is None else "+00"
    return text if year > 0 else f"{text} BC"


def _a_day(kind: pa.DataType) -> int:
    return 1 if pa.types.is_date32(kind) else 86_400 * (_PER_SECOND["ms" if pa.types.is_date64(kind) else kind.unit])


def _is_in_years(scalar: pa.Scalar) -> bool:
    return bool(_FIRST_DAY <= scalar.value // _a_day(scalar.type) <= _LAST_DAY)


def _json(value: Any) -> str:
    """Return JSON; a decimal keeps its digits."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_json(name)}: {_json(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
