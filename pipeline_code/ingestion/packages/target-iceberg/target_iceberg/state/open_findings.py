"""The table `raw.findings`: which findings are open for each stream, and since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType, TimestamptzType

from target_iceberg.rows.findings import Finding
from target_iceberg.state.ledger import Ledger

TABLE = "findings"

_SCHEMA = Schema(
    NestedField(1, "stream", StringType(), required=True),
    NestedField(2, "kind", StringType(), required=True),
    NestedField(3, "column", StringType(), doc="Empty where it is about the whole stream", required=True),
    NestedField(4, "severity", StringType(), doc="warn, error, or fail: nothing was loaded", required=True),
    NestedField(5, "message", StringType(), required=True),
    NestedField(6, "decision", StringType(), doc="What people can do about it", required=True),
    NestedField(7, "since", TimestamptzType(), doc="When a run first found it", required=True),
    NestedField(8, "run_id", StringType(), doc="The run that first found it", required=True),
)
_IDENTITY = ("stream", "kind", "column")
_COMPARED = (*_IDENTITY, "severity", "message", "decision")


def record(catalog: Catalog, namespace: str, found: Mapping[str, Sequence[Finding]], run_id: str) -> None:
    """Make the table say what is open of these streams now; a finding keeps the time since when it is open.

    Costs one request to the catalog, a small read where the table exists, and a commit where something has changed.
    """
    ledger = Ledger(catalog, namespace, TABLE, _SCHEMA)
    streams = sorted(found)
    if not streams:
        return
    held = ledger.rows({"stream": streams})
    known = {tuple(row[name] for name in _IDENTITY): row for row in held}
    now = dt.datetime.now(dt.UTC)
    rows = [
        {"stream": stream, **asdict(each), "since": now, "run_id": run_id}
        for stream in streams
        for each in found[stream]
    ]
    for row in rows:
        if (before := known.get(tuple(row[name] for name in _IDENTITY))) is not None:
            row |= {"since": before["since"], "run_id": before["run_id"]}
    changed = {stream for stream in streams if _of(rows, stream) != _of(held, stream)}
    if changed:
        ledger.replace({"stream": sorted(changed)}, [row for row in rows if row["stream"] in changed])


def _of(rows: Sequence[Mapping[str, object]], stream: str) -> list[tuple[str, ...]]:
    return sorted(tuple(str(row[name]) for name in _COMPARED) for row in rows if row["stream"] == stream)
