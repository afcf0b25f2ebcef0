"""One value in the exact type of its column, or the reason why that is impossible: nothing is rounded, cut or guessed.

Values are those of JSON (numbers, texts) or Python objects. A text must have exactly the form of its type: `1_000`,
`007`, `0x1F` are not numbers, and digits after the microseconds are not cut off.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

Parser = Callable[[Any], Any]

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_NO_NUMBER = re.compile(r"(?i:nan|[+-]?inf(inity)?)")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6}(0*)([0-9]*))?)?) ?(Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_SAFE_DIGITS, _SAFE_EXPONENTS = 15, range(-290, 300)
"""A number of so many digits, in this range, is told apart from all others by a double."""
_MOST_DIGITS = 38
_EXACT = decimal.Context(prec=2_000, traps=[])


class NotExactError(ValueError):
    """The value can't be had in the column's type; the message says why."""


def parser(kind: pa.DataType) -> Parser:
    """Return what makes a value one of a type: an object of which pyarrow makes this value and no other.

    It raises ValueError, TypeError or ArithmeticError; NotExactError where there is more to say than that it is none.
    """
    parsers: tuple[tuple[Callable[[pa.DataType], bool], Parser], ...] = (
        (pa.types.is_boolean, _boolean),
        (pa.types.is_decimal, _decimal),
        (pa.types.is_timestamp, _aware if getattr(kind, "tz", None) is not None else _naive),
        (pa.types.is_date, _date),
        (pa.types.is_integer, _integer),
        (pa.types.is_float32, _single),
        (pa.types.is_float64, _double),
        (lambda each: pa.types.is_string(each) or pa.types.is_large_string(each), _text),
    )
    return next((parse for holds, parse in parsers if holds(kind)), _same)


def json_text(value: Any) -> str:
    """Return JSON as PostgreSQL's `jsonb` prints it: numbers with all digits; what JSON has no type for as text."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return _json_text(value)


def _json_text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json_text(str(name))}: {_json_text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_json_text(each) for each in value) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    if isinstance(value, str | int | None) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(_text(value), ensure_ascii=False)


def _same(value: Any) -> Any:
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (word := value.strip().lower()) in {"true", "false"}:
        return word == "true"
    raise NotExactError("neither true nor false")


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str):
        return int(_matching(_WHOLE, value, "no whole number"))
    number = _decimal(value)
    if number != number.to_integral_value():
        raise NotExactError("it has a fraction")
    return int(number)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise NotExactError("true or false, and no number")
    if isinstance(value, str):
        value = _matching(_NUMBER, value, "no number")
    # str() of a float is its shortest exact notation: 0.1 stays 0.1.
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise NotExactError("not finite")
    if number.adjusted() > _MOST_DIGITS:
        raise NotExactError(f"more than {_MOST_DIGITS} digits")
    return number


def _double(value: Any) -> float:
    return _float(value, float)


def _single(value: Any) -> float:
    return _float(value, lambda number: float(struct.unpack("f", struct.pack("f", number))[0]))


def _float(value: Any, nearest: Callable[[Any], float]) -> float:
    if isinstance(value, bool):
        raise NotExactError("true or false, and no number")
    if isinstance(value, str):
        if _NO_NUMBER.fullmatch(value.strip()):
            return float(value)
        value = Decimal(_matching(_NUMBER, value, "no number"))
    try:
        found = nearest(value)
    except OverflowError as error:
        raise NotExactError("beyond the greatest number of the type") from error
    if isinstance(value, float) and (found == value or not math.isfinite(value)):
        return found
    if math.isinf(found):
        raise NotExactError("beyond the greatest number of the type")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not _prints_as(found, number, is_double=nearest is float):
        raise NotExactError("more digits than the type has")
    return found


def _prints_as(found: float, number: Decimal, *, is_double: bool) -> bool:
    """Whether a number is how a float is written, with as many digits as anybody likes."""
    _, digits, exponent = number.as_tuple()
    if is_double and len(digits) <= _SAFE_DIGITS and number.adjusted() in _SAFE_EXPONENTS:
        return True
    if not isinstance(exponent, int):
        return False
    printed = Decimal(found).quantize(Decimal((0, (1,), exponent)), context=_EXACT)
    return printed == number or Decimal(repr(found)) == number


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    text = value.strip()
    if pattern.fullmatch(text) is None:
        raise NotExactError(what)
    return text


def _moment(value: Any) -> dt.datetime:
    """Return a time with the offset that it says; without one if it says none."""
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    if not isinstance(value, str) or (found := _MOMENT.fullmatch(value.strip())) is None:
        raise NotExactError("no date or time as ISO 8601 writes it")
    day, time, _, finer, zone = found.groups()
    if finer:
        raise NotExactError("finer than microseconds")
    clock = dt.time.fromisoformat(time[:15]) if time else dt.time()
    if zone:
        clock = clock.replace(tzinfo=dt.UTC if zone in {"Z", "z", "UTC"} else _zone(zone))
    return dt.datetime.combine(dt.date.fromisoformat(day), clock)


def _zone(text: str) -> dt.tzinfo | None:
    return dt.time.fromisoformat(f"00:00{text}").tzinfo


def _aware(value: Any) -> dt.datetime:
    """Return a zoned time; without a zone, Singer's date-time is UTC."""
    moment = _moment(value)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def _naive(value: Any) -> dt.datetime:
    moment = _moment(value)
    if moment.tzinfo is not None:
        raise NotExactError("it has an offset, and the column none")
    return moment


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    moment = _moment(value)
    if moment.replace(tzinfo=None).time() != dt.time() or moment.utcoffset():
        raise NotExactError("it has a time of day, or an offset")
    return moment.date()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple | bool):
        return json_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN and Infinity, as PostgreSQL calls them
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
