"""Tables as streams of a Singer catalog.

The same entries as the SDK's, without its import; test_bulk.py compares the two.
"""

from __future__ import annotations

from typing import Any

from headwater_tap.marks import OWN
from headwater_tap.selection import FULL_TABLE, INCREMENTAL, LOG_BASED

from tap_postgres_arrow.log_position import DELETED_AT
from tap_postgres_arrow.source import Table


def json_schema(table: Table, *, followed: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a table's rows, with exact SQL types. followed: the tap adds marks of deletions."""
    properties = {column.name: column.json_schema() for column in table.columns}
    if DELETED_AT in properties and not followed:  # a table with one of its own is not followed
        properties[DELETED_AT][OWN] = True
    return {
        "properties": properties,
        "type": "object",
        "required": [column.name for column in table.columns if not column.nullable],
    }


def replication_key(table: Table, wanted: str) -> str | None:
    """Return the column `wanted` if the table has it, and it can be a replication key there."""
    if not table.has_versions:
        return None
    return next((column.name for column in table.columns if column.name == wanted and column.can_replicate), None)


def discovered(table: Table, wanted: str, *, followed: bool = False) -> dict[str, Any]:
    """Return the table's entry in a catalog. `wanted` is the setting `replication_key`; not for a table whose log is
    followed.
    """
    key = None if followed else replication_key(table, wanted)
    automatic = {*table.primary_key, key}
    root: dict[str, Any] = {
        "inclusion": "available",
        "selected": True,
        "selected-by-default": True,
        "table-key-properties": list(table.primary_key),
    }
    columns = [
        {
            "breadcrumb": ["properties", column.name],
            "metadata": {"inclusion": "automatic" if column.name in automatic else "available"},
        }
        for column in table.columns
    ]
    entry = {
        "tap_stream_id": table.stream,
        "replication_method": LOG_BASED if followed else FULL_TABLE if key is None else INCREMENTAL,
        "key_properties": list(table.primary_key),
        "schema": json_schema(table, followed=followed),
        "stream": table.stream,
    }
    if key is not None:
        entry["replication_key"] = key
        root |= {"replication-key": key, "valid-replication-keys": [key]}
    return {**entry, "metadata": [*columns, {"breadcrumb": [], "metadata": root}]}
