"""What the bulk taps' classes for the Singer SDK share: selection, rows set aside, rows as records."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from singer_sdk import Stream, Tap
from singer_sdk.singerlib import RecordMessage, SchemaMessage

from headwater_tap.selection import Selection


def selected(stream: Stream) -> Selection:
    """Return what the SDK says is selected of a stream."""
    schema = stream.effective_schema
    chosen = {name: each for name, each in schema["properties"].items() if stream.mask.get(("properties", name), True)}
    return Selection(
        {**schema, "properties": chosen},
        frozenset(schema["properties"]),
        tuple(stream.primary_keys),
        stream.replication_key,
        stream.replication_method,
    )


def write_apart(tap: Tap, message: Mapping[str, Any]) -> None:
    """Send a message of `apart.messages`."""
    if message["type"] == "SCHEMA":
        tap.write_message(SchemaMessage(message["stream"], message["schema"], message["key_properties"]))
    else:
        tap.write_message(RecordMessage(message["stream"], message["record"]))


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of Arrow as a record: numbers as Decimal, dates and times in ISO 8601.

    JSON has no NaN and no infinity, and its writers make null of them: they are sent as text, `NaN` and `Infinity`.
    """
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
