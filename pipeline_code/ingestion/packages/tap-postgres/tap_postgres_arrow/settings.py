"""The tap's settings: defaults, and whether a configuration needs nothing but them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater_tap.command import FORMATS, is_bulk, read_positions

__all__ = ["DEFAULTS", "FORMATS", "REQUIRED", "for_bulk", "read_positions"]

REQUIRED = ("host", "database", "user", "password")
DEFAULTS: Mapping[str, Any] = {
    "port": 5432,
    "sslmode": "prefer",
    "schema": "public",
    "replication_key": "updated_at",
    "late_window_seconds": 86_400,
    "emit_activate_version_messages": True,
    "slot": "headwater",
    "stream_prefix": "",
    "readers": 2,
}

_TYPES: Mapping[str, type] = {name: type(default) for name, default in DEFAULTS.items()} | dict.fromkeys(
    (*REQUIRED, "positions_file", "publication", "share", "share_database", "sslrootcert"), str
)


def for_bulk(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a configuration with its defaults if it hands rows over in bulk and every setting is right.

    None for anything else, errors included: the SDK's classes do the rest, and say what is wrong.
    """
    given = {name: value for name, value in config.items() if value is not None}
    batches = given.pop("batch_config", None)
    if not is_bulk(batches) or not all(name in given for name in REQUIRED):
        return None
    # bool is an int to Python: types are compared, not asked.
    if any(name not in _TYPES or type(value) is not _TYPES[name] for name, value in given.items()):
        return None
    if given.get("readers", 1) < 1:
        return None
    return {**DEFAULTS, **given, "batch_config": batches}
