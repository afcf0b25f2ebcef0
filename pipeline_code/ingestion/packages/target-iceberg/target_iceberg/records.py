"""Singer records as Arrow batches in the exact types of the table."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Record = Mapping[str, Any]


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
    parsers = [(field.name, field.type, _parser(field.type)) for field in schema]
    good: list[Record] = []
    misfits: list[Misfit] = []
    for record in records:
        for name, kind, parse in parsers:
            value = record.get(name)
            if value is not None and not _fits(parse, value, kind):
                misfits.append(Misfit(record, name, _reason(kind)))
                break
        else:
            good.append(record)
    return good, misfits


def parsed(array: pa.Array, kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """Return values, as a rule texts, in another type, and for each that can't be had in it (null then) the reason."""
    try:
        return pc.cast(array, kind), {}
    except pa.ArrowException:
        parse, wrong = _parser(kind), {}
        values = array.to_pylist()
        for row, value in enumerate(values):
            if value is not None and not _fits(parse, value, kind):
                wrong[row] = _reason(kind)
        kept = [None if value is None or row in wrong else parse(value) for row, value in enumerate(values)]
        return pa.array(kept, type=kind), wrong


def _reason(kind: pa.DataType) -> str:
    return f"does not fit {kind}"


def _column(stream: str, field: pa.Field, values: list[Any]) -> pa.Array:
    parse = _parser(field.type)
    try:
        return pa.array([None if value is None else parse(value) for value in values], type=field.type)
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError, OverflowError) as error:
        for value in values:
            if value is not None and not _fits(parse, value, field.type):
                raise RecordValueError(
                    f"stream {stream}, column {field.name}: value {value!r} does not fit {field.type}"
                ) from error
        raise


def _fits(parse: Callable[[Any], Any], value: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([parse(value)], type=kind)
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError, OverflowError):
        return False
    return True


def _parser(kind: pa.DataType) -> Callable[[Any], Any]:
    parsers: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]], ...] = (
        (pa.types.is_decimal, _decimal),
        (pa.types.is_timestamp, _aware if getattr(kind, "tz", None) is not None else _naive),
        (pa.types.is_date, _date),
        (pa.types.is_integer, _integer),
        (pa.types.is_floating, float),
        (pa.types.is_string, _text),
    )
    return next((parse for holds, parse in parsers if holds(kind)), _same)


def _same(value: Any) -> Any:
    return value


def _decimal(value: Any) -> Decimal:
    # str() of a float is its shortest exact notation: 0.1 stays 0.1.
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _integer(value: Any) -> int:
    if isinstance(value, Decimal | float) and value != int(value):
        raise ValueError(f"{value} has a fraction")
    return int(value)


def _datetime(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    return dt.datetime.fromisoformat(value)


def _aware(value: Any) -> dt.datetime:
    """Return a zoned time; without a zone, Singer's date-time is UTC."""
    parsed = _datetime(value)
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)


def _naive(value: Any) -> dt.datetime:
    return _datetime(value).replace(tzinfo=None)


def _date(value: Any) -> dt.date:
    return _datetime(value).date() if isinstance(value, str | dt.datetime) else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
