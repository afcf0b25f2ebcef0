"""Where an incremental read starts, so that no committed row is lost and no row is sent twice.

A replication key alone is not enough: a transaction may commit a row with an older (or the same) `updated_at` after a
run has passed that value. So a bookmark also holds `xmin`, the oldest transaction that was still running when the run's
snapshot was taken. The run saw every row version that an older transaction had written. So the next run sends the row
versions of that transaction and of later ones. The key, minus a window for late commits, only limits how much of the
index has to be scanned. Rows inside the window are sent twice only while a transaction stays open across runs, or after
the source rewrote the table (ALTER COLUMN TYPE).

Transaction ids have this meaning only within one history. A standby that is promoted begins another history: what it
had not received yet is lost, and it uses the same ids again. Its timeline shows this.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tap_postgres_arrow.columns import Column, quoted

Key = dt.datetime | dt.date | int
XIDS = 1 << 32
"""How many transactions the id in a row tells apart."""


@dataclass(frozen=True)
class Snapshot:
    """The state of the source that a run sees.

    `system` identifies the database cluster and `timeline` its history since the last promotion (None if the user may
    not ask), `xmin` and `xmax` are 64-bit transaction ids: all below xmin had ended, none from xmax on had begun;
    `taken_at` is the source's clock.
    """

    system: str | None
    xmin: int
    xmax: int
    taken_at: dt.datetime
    timeline: int | None = None


@dataclass(frozen=True)
class Bookmark:
    """What a finished run remembers: the greatest key that it saw, and the snapshot that it saw it in."""

    key: Key
    system: str | None
    xmin: int | None
    timeline: int | None = None

    def to_state(self, replication_key: str) -> dict[str, Any]:
        """Return the Singer bookmark."""
        value = self.key if isinstance(self.key, int) else self.key.isoformat()
        return {
            "replication_key": replication_key,
            "replication_key_value": value,
            "source_snapshot": {"system": self.system, "timeline": self.timeline, "xmin": self.xmin},
        }


def bookmark_from_state(state: dict[str, Any], column: Column) -> Bookmark | None:
    """Return the bookmark of a Singer stream state, or None where there is none for this replication key."""
    value = state.get("replication_key_value")
    if value is None or state.get("replication_key") != column.name:
        return None
    snapshot = state.get("source_snapshot", {})
    known = (snapshot.get(name) for name in ("system", "xmin", "timeline"))
    return Bookmark(parse_key(value, column), *known)


def parse_key(value: Any, column: Column) -> Key:
    """Return a bookmark's JSON value in the type of its column; ValueError if it is not one."""
    if column.base_type.startswith("int"):
        return int(value)
    if column.base_type == "date":
        return dt.date.fromisoformat(str(value)[:10])
    parsed = dt.datetime.fromisoformat(str(value))
    if column.base_type == "timestamp":
        return parsed.replace(tzinfo=None)
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)


def is_comparable(bookmark: Bookmark, snapshot: Snapshot) -> bool:
    """Whether the transaction ids of bookmark and snapshot belong to one history (no restore, no other server).

    A timeline that one of them does not know (an older bookmark, a role that may not ask) says nothing against it.
    """
    timelines = {bookmark.timeline, snapshot.timeline} - {None}
    same = bookmark.system == snapshot.system and len(timelines) <= 1
    return same and bookmark.xmin is not None and bookmark.xmin <= snapshot.xmax


def changed_since(bookmark: Bookmark, snapshot: Snapshot, column: Column, late_window: dt.timedelta) -> str | None:
    """Return the SQL condition for the rows to send; None for all.

    Without comparable transaction ids the key alone decides, inclusively: the rows of the late window are then sent
    again, but none is lost. A number says nothing of time: then that is all rows.
    """
    key = quoted(column.name)
    if not is_comparable(bookmark, snapshot) or bookmark.xmin is None:
        since = _capped(bookmark.key, snapshot, column)
        return None if isinstance(since, int) else _or_null(f"{key} >= {_literal(since - late_window)}", column)
    written = written_since(bookmark.xmin, snapshot)
    # A clock that was set back dates new rows before the bookmark: the scan begins where the clock is now.
    capped = _capped(bookmark.key, snapshot, column)
    if isinstance(capped, int):
        return written  # ids of concurrent inserts commit in any order, by any distance
    start = capped - late_window
    return f"{_or_null(f'{key} > {_literal(start)}', column)} and {written}"


def written_since(xmin: int, snapshot: Snapshot) -> str:
    """Return the SQL condition of row versions that transaction `xmin` or a later one wrote, of those in a snapshot.

    A row's xmin has 32 bits: its distance to the snapshot's xmax, modulo 2^32, is the age of the row version. One that
    is older than 2^32 transactions may count as written since.
    """
    return f"(({snapshot.xmax} - xmin::text::bigint) & {XIDS - 1}) <= {snapshot.xmax - xmin}"


def advanced(previous: Bookmark | None, seen: Key | None, snapshot: Snapshot, column: Column) -> Bookmark | None:
    """Return the bookmark after a complete read.

    `seen` is the greatest key of the rows read, None if there were none. It is capped at the source's clock, so that
    one row dated in the far future does not move the scan past the rows of the meantime.
    """
    keys = [_capped(seen, snapshot, column)] if seen is not None else []
    if previous is not None:
        keys.append(previous.key)
    if not keys:
        return None
    return Bookmark(max(keys), snapshot.system, snapshot.xmin, snapshot.timeline)


def _capped(key: Key, snapshot: Snapshot, column: Column) -> Key:
    match column.base_type:
        case "timestamptz":
            return min(key, snapshot.taken_at)
        case "timestamp":
            return min(key, snapshot.taken_at.astimezone(dt.UTC).replace(tzinfo=None))
        case "date":
            return min(key, snapshot.taken_at.date())
        case _:
            return key


def _or_null(condition: str, column: Column) -> str:
    return f"({condition} or {quoted(column.name)} is null)" if column.nullable else condition


def _literal(key: Key) -> str:
    if isinstance(key, int):
        return str(key)
    if not isinstance(key, dt.datetime):
        return f"date '{key.isoformat()}'"
    return f"{'timestamp' if key.tzinfo is None else 'timestamptz'} '{key.isoformat()}'"
