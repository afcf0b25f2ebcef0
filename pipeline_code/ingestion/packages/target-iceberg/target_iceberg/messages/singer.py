"""The messages of a Singer tap, one JSON object per line: of any tap, records or bulk, read in one way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_decode = json.JSONDecoder(parse_float=Decimal).decode
"""Numbers with a fraction as Decimal: none passes through a float."""
_SHOWN = 200
"""Letters of a line that a message shows."""
_PARTS: Mapping[str, Mapping[str, type]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "STATE": {"value": object},
    "ACTIVATE_VERSION": {"stream": str},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
}
"""What a message of each type has to have. Whatever else it has is passed over, as the specification wants it."""


class InputError(ValueError):
    """A line is no message that can be taken; nothing of the run is published. It names the line and why."""


def read(line: str) -> dict[str, Any]:
    """Return the message of a line. InputError for any that could not be taken whole: none is passed over."""
    message = read_record(line, "a Singer message")
    kind = message.get("type")
    parts = _PARTS.get(kind) if isinstance(kind, str) else None
    if parts is None:
        raise InputError(f"type {kind!r} is not known ({', '.join(_PARTS)} are): {shown(line)}")
    for name, wanted in parts.items():
        if name not in message or not isinstance(message[name], wanted):
            raise InputError(f"{kind} without `{name}`, or it is no {wanted.__name__}: {shown(line)}")
    if kind == "SCHEMA" and not isinstance(message["schema"].get("properties"), dict):
        raise InputError(f"SCHEMA of {message['stream']} without `properties`: {shown(line)}")
    return message


def read_record(line: str, what: str) -> dict[str, Any]:
    """Return the JSON object of a line. InputError, with `what` it was to be, for any other line."""
    try:
        found = _decode(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: no JSON ({error}): {shown(line)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{what}: no JSON object: {shown(line)}")
    return found


def shown(line: str) -> str:
    """Return the beginning of a line, for a message."""
    text = line.strip()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
