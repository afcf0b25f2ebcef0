"""Singer records, and columns of other types, as Arrow in the exact types of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from target_iceberg.rows.values import NotExactError, Parser, parser

Record = Mapping[str, Any]

_YEAR = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_DAY = "-[0-9]{2}-[0-9]{2}"
_TIME = "[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?"
_PLAIN: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "(?i:true|false)"),
    (pa.types.is_integer, "-?(0|[1-9][0-9]*)"),
    (pa.types.is_decimal, "-?(0|[1-9][0-9]*)(\\.[0-9]+)?"),
    (pa.types.is_float64, "-?(0|[1-9][0-9]{0,7})(\\.[0-9]{1,7})?"),
    (pa.types.is_date, f"{_YEAR}{_DAY}"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None, f"{_YEAR}{_DAY}({_TIME})?"),
    (pa.types.is_timestamp, f"[12][0-9]{{3}}{_DAY}{_TIME}(Z|[+-][0-9]{{2}}:[0-9]{{2}})"),
)
"""Texts that Arrow makes the same value of as values.py does, or refuses: a part of those that are right."""


class RecordValueError(ValueError):
    """A record's value does not fit its column; the message names stream, column and value."""


@dataclass(frozen=True)
class Misfit:
    """A record that its table can't hold, and why."""

    record: Record
    column: str
    reason: str


def to_batch(stream: str, records: Sequence[Record], schema: pa.Schema) -> pa.RecordBatch:
    """Return `records` as one batch of the columns of `schema` that any record has.

    Values may be JSON (numbers, ISO 8601 strings) or Python objects; nothing is rounded or cut.
    Raises RecordValueError for a value that its column can't hold.
    """
    present = {name for record in records for name in record}
    fields = [field for field in schema if field.name in present]
    arrays = [_column(stream, field, [record.get(field.name) for record in records]) for field in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def sift(records: Sequence[Record], schema: pa.Schema) -> tuple[list[Record], list[Misfit]]:
    """Return the records that fit the columns of `schema`, and those that do not."""
    parsers = [(field.name, field.type, parser(field.type)) for field in schema]
    good: list[Record] = []
    misfits: list[Misfit] = []
    for record in records:
        for name, kind, parse in parsers:
            value = record.get(name)
            if value is not None and (reason := _misfit(parse, value, kind)) is not None:
                misfits.append(Misfit(record, name, reason))
                break
        else:
            good.append(record)
    return good, misfits


def parsed(array: pa.Array, kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """Return values in another type, and for each that can't be had in it (null then) the reason, by row."""
    if _is_exact(array, kind):
        try:
            return pc.cast(array, kind), {}
        except pa.ArrowException:
            pass  # one of the values is too large, or no day of the calendar: which is found row by row
    parse, wrong, kept = parser(kind), {}, []
    for row, scalar in enumerate(array):
        value = python_value(scalar)
        reason = None if value is None else _misfit(parse, value, kind)
        if reason is not None:
            wrong[row] = reason
        kept.append(None if value is None or reason is not None else parse(value))
    return pa.array(kept, type=kind), wrong


def python_value(scalar: pa.Scalar) -> Any:
    """Return a value; one that Python has no object for (years beyond 9999, nanoseconds) as Arrow prints it."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return scalar.cast(pa.string()).as_py()


def _is_exact(array: pa.Array, kind: pa.DataType) -> bool:
    """Whether Arrow's cast keeps every value as it is, or refuses; of other casts it rounds and cuts in silence."""
    held, types = array.type, pa.types
    if types.is_string(held) or types.is_large_string(held):
        if types.is_string(kind) or types.is_large_string(kind):
            return True
        pattern = next((text for holds, text in _PLAIN if holds(kind)), None)
        return pattern is not None and bool(
            pc.all(pc.match_substring_regex(array, f"^({pattern})$")).as_py() is not False
        )
    if types.is_timestamp(held) and types.is_timestamp(kind):
        return bool(held.tz is None or kind.tz is not None)
    number, whole = types.is_floating, types.is_integer
    return bool(
        held == kind
        or (types.is_dictionary(held) and held.value_type == kind)
        or (whole(held) and (whole(kind) or number(kind) or types.is_decimal(kind) or types.is_string(kind)))
        or (types.is_decimal(held) and (types.is_decimal(kind) or whole(kind) or types.is_string(kind)))
        or (number(held) and (types.is_float64(kind) or whole(kind)))
        or (types.is_date32(held) and types.is_timestamp(kind))
    )


def _column(stream: str, field: pa.Field, values: list[Any]) -> pa.Array:
    parse = parser(field.type)
    try:
        return pa.array([None if value is None else parse(value) for value in values], type=field.type)
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
        for value in values:
            if value is not None and (reason := _misfit(parse, value, field.type)) is not None:
                raise RecordValueError(f"stream {stream}, column {field.name}: value {value!r} {reason}") from error
        raise


def _misfit(parse: Parser, value: Any, kind: pa.DataType) -> str | None:
    """Return why a value can't be had in a type; None if it can."""
    try:
        pa.array([parse(value)], type=kind)
    except NotExactError as error:
        return f"does not fit {kind}: {error}"
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError):
        return f"does not fit {kind}"
    return None
