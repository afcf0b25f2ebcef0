"""Rows that a tap can't send: records of the stream `quarantine`, by which the target sets them aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

STREAM = "quarantine"
_NAMES = ("stream", "key", "column", "reason", "value", "row")


def messages(records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the Singer messages of records, their announcement first: to any target, a stream like others.

    A record has the texts `stream`, `key` and `row` (JSON objects), `column`, `reason` and `value` (or None).
    """
    announced = False
    for record in records:
        if not announced:
            announced = True
            yield _schema_message()
        yield {"type": "RECORD", "stream": STREAM, "record": record}


def _schema_message() -> dict[str, Any]:
    texts = {name: {"type": ["string", "null"]} for name in _NAMES}
    schema = {"type": "object", "x-headwater-quarantine": True, "properties": texts}
    return {"type": "SCHEMA", "stream": STREAM, "schema": schema, "key_properties": []}
