"""Streams of files as entries of a Singer catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater_contracts import ColumnType
from headwater_contracts.types import parse_type
from headwater_tap.selection import INCREMENTAL

from tap_files import position
from tap_files.errors import FilesError
from tap_files.fitting import Fitted
from tap_files.reading import COLUMNS, Reading
from tap_files.streams import ADDED, MODIFIED, Files, FileStream
from tap_files.types import TEXT, json_schema

MOST_HEADERS = 20
"""New files whose columns are looked at where the others are known."""


def discovered(files: Files, stream: FileStream, positions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a stream's entry. Columns and types are the contract's and those of the last run, or found out anew.

    positions: {stream: bookmark} of what the target has committed. Where columns are known, of new files only the
    names of theirs are looked at; the run finds their types.
    """
    state = positions.get(stream.name, {})
    known = {name: parse_type(name, text) for name, text in state.get(COLUMNS, {}).items()} | stream.pinned
    try:
        schema = _found(files, stream, state, known)
    except FilesError:
        # The run says it, and loads the other streams.
        schema = _schema(stream, {**known, **ADDED})
    automatic = {*ADDED, *stream.key}
    columns = [
        {
            "breadcrumb": ["properties", name],
            "metadata": {"inclusion": "automatic" if name in automatic else "available"},
        }
        for name in schema["properties"]
    ]
    root = {
        "inclusion": "available",
        "selected": True,
        "selected-by-default": True,
        "table-key-properties": list(stream.key),
        "replication-key": MODIFIED,
        "valid-replication-keys": [MODIFIED],
    }
    return {
        "tap_stream_id": stream.name,
        "stream": stream.name,
        "replication_method": INCREMENTAL,
        "replication_key": MODIFIED,
        "key_properties": list(stream.key),
        "schema": schema,
        "metadata": [*columns, {"breadcrumb": [], "metadata": root}],
    }


def _found(
    files: Files, stream: FileStream, state: Mapping[str, Any], known: Mapping[str, ColumnType]
) -> dict[str, Any]:
    if known:
        news = position.since(position.Position.from_state(stream.name, state, stream.files), stream.files)
        for file in news.files[-MOST_HEADERS:]:
            content = files.content(stream, file)
            named = () if content is None else Fitted(content, known, files.scratch).columns
            known = {**dict.fromkeys(named, TEXT), **known}
        return _schema(stream, {**known, **ADDED})
    reading = Reading(files, stream, None, {})
    reading.prepare()
    return reading.schema


def _schema(stream: FileStream, columns: Mapping[str, Any]) -> dict[str, Any]:
    required = {*ADDED, *stream.key}
    return {
        "type": "object",
        "properties": {name: json_schema(kind, required=name in required) for name, kind in columns.items()},
        "required": [name for name in columns if name in required],
    }
