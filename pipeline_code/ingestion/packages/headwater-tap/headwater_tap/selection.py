"""What a Singer catalog selects of a stream: the same rules as the SDK's, without its import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INCREMENTAL, FULL_TABLE, LOG_BASED = "INCREMENTAL", "FULL_TABLE", "LOG_BASED"
UNFINISHED = {"Note": "This stream has not been read to its end."}
"""`progress_markers` of a stream while it is read: a target that finds them knows that the stream was cut off."""

ROWS_SENT = "rows_sent"
"""Entry of the bookmark of a stream that was read to its end: how many rows were sent. The target compares, and takes
it out; see `withdrawn`."""


def withdrawn(bookmark: dict[str, Any]) -> None:
    """Take out of a bookmark what is about the run that left it: it is no part of where the stream stands."""
    bookmark.pop("progress_markers", None)
    bookmark.pop(ROWS_SENT, None)


@dataclass(frozen=True)
class Selection:
    """What is read of a stream: `schema` has the selected columns only, `catalogued` all that the catalog names.

    `method` is INCREMENTAL (by `replication_key`), FULL_TABLE, or LOG_BASED.
    """

    schema: Mapping[str, Any]
    catalogued: frozenset[str]
    key_properties: tuple[str, ...]
    replication_key: str | None
    method: str


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
