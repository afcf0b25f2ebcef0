"""Tables as streams of a Singer catalog, and what a catalog selects of them.

The same rules as the SDK's, without its import; test_bulk.py compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tap_postgres_arrow.source import Table

INCREMENTAL, FULL_TABLE, LOG_BASED = "INCREMENTAL", "FULL_TABLE", "LOG_BASED"


@dataclass(frozen=True)
class Selection:
    """What is read of a table: `schema` has the selected columns only, `catalogued` all that the catalog names.

    `method` is INCREMENTAL (by `replication_key`), FULL_TABLE, or LOG_BASED.
    """

    schema: Mapping[str, Any]
    catalogued: frozenset[str]
    key_properties: tuple[str, ...]
    replication_key: str | None
    method: str


def json_schema(table: Table) -> dict[str, Any]:
    """Return the JSON schema of a table's rows, with exact SQL types."""
    return {
        "properties": {column.name: column.json_schema() for column in table.columns},
        "type": "object",
        "required": [column.name for column in table.columns if not column.nullable],
    }


def replication_key(table: Table, wanted: str) -> str | None:
    """Return the column `wanted` if the table has it, and it can be a replication key."""
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
        "schema": json_schema(table),
        "stream": table.stream,
    }
    if key is not None:
        entry["replication_key"] = key
        root |= {"replication-key": key, "valid-replication-keys": [key]}
    return {**entry, "metadata": [*columns, {"breadcrumb": [], "metadata": root}]}


def selection(entry: Mapping[str, Any]) -> Selection | None:
    """Return what a catalog's entry selects; None if its stream is not selected."""
    metadata = {tuple(item["breadcrumb"]): item["metadata"] for item in entry.get("metadata", ())}
    root = metadata.get((), {})
    if metadata and not _is_selected(root, parent=False):
        return None
    properties = entry["schema"].get("properties", {})
    chosen = {
        name: schema
        for name, schema in properties.items()
        if ("properties", name) not in metadata or _is_selected(metadata["properties", name], parent=True)
    }
    required = [name for name in entry["schema"].get("required", ()) if name in chosen]
    key = entry.get("replication_key") or root.get("replication-key")
    method = entry.get("replication_method") or root.get("forced-replication-method")
    return Selection(
        {**entry["schema"], "properties": chosen, "required": required},
        frozenset(properties),
        tuple(entry.get("key_properties") or root.get("table-key-properties") or ()),
        key,
        method or (FULL_TABLE if key is None else INCREMENTAL),
    )


def _is_selected(metadata: Mapping[str, Any], *, parent: bool) -> bool:
    match metadata.get("inclusion"):
        case "unsupported":
            return False
        case "automatic":
            return True
    chosen = metadata.get("selected")
    if chosen is None:
        chosen = metadata.get("selected-by-default")
    return parent if chosen is None else bool(chosen)
