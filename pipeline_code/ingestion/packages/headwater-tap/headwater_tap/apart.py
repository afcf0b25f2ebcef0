"""Rows that a tap can't send as usual: records of the stream `quarantine`, which tell the target to set them aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

STREAM = "quarantine"
_NAMES = ("stream", "key", "column", "reason", "value", "row")


def record(stream: str, key: Any, row: Any, *, column: str, reason: str, value: str | None) -> dict[str, Any]:
    """Return the record of a row; `key` and `row` are its values by column, or these as JSON already."""
    return dict(zip(_NAMES, (stream, _json(key), column, reason, value, _json(row)), strict=True))


def messages(records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the Singer messages of records, their announcement first: to any target, a stream like others."""
    announced = False
    for record in records:
        if not announced:
            announced = True
            yield _schema_message()
        yield {"type": "RECORD", "stream": STREAM, "record": record}


def _json(values: Any) -> str:
    return values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)


def _schema_message() -> dict[str, Any]:
    texts = {name: {"type": ["string", "null"]} for name in _NAMES}
    schema = {"type": "object", "x-headwater-quarantine": True, "properties": texts}
    return {"type": "SCHEMA", "stream": STREAM, "schema": schema, "key_properties": []}
