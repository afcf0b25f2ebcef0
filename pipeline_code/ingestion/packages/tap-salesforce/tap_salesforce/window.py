"""Which changes a run reads, so that none is lost and none is sent twice.

`SystemModstamp` has whole seconds. It is set when a record is saved, but is visible only when the transaction commits,
which may be minutes later. So a run reads [start, end). `end` is a little behind the service's clock, so that the last
second is complete. `start` is an overlap before the last run's end, so that late commits are found. The bookmark has
what the last run sent from the overlap; this is not sent again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tap_salesforce.columns import REPLICATION_KEY, moment


@dataclass(frozen=True)
class Window:
    """Changes from `start` (None: all) up to, not including, `end`."""

    start: dt.datetime | None
    end: dt.datetime

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing between the two."""
        return self.start is not None and self.start >= self.end

    def condition(self) -> str:
        """Return the SOQL condition."""
        until = f"{REPLICATION_KEY} < {_literal(self.end)}"
        return until if self.start is None else f"{REPLICATION_KEY} >= {_literal(self.start)} AND {until}"

    def holds(self, changed: dt.datetime) -> bool:
        """Whether a change belongs to this run: a record that changed while it was read comes with a later time."""
        return changed < self.end and (self.start is None or changed >= self.start)


@dataclass(frozen=True)
class Bookmark:
    """Where a run ended, and what it had sent of the overlap before that: id -> seconds since 1970 of its change."""

    end: dt.datetime
    seen: Mapping[str, int]

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Bookmark | None:
        """Return the bookmark of a Singer stream state, None where there is none."""
        value = state.get("replication_key_value")
        if value is None or state.get("replication_key") != REPLICATION_KEY:
            return None
        return cls(moment(value), dict(state.get("seen", {})))

    def to_state(self) -> dict[str, Any]:
        """Return the Singer bookmark."""
        return {
            "replication_key": REPLICATION_KEY,
            "replication_key_value": self.end.isoformat(),
            "seen": dict(self.seen),
        }

    def has_sent(self, record_id: str, changed: dt.datetime) -> bool:
        """Whether the run before sent this version of a record."""
        return self.seen.get(record_id) == int(changed.timestamp())


def window(
    bookmark: Bookmark | None,
    first: dt.datetime | None,
    service_time: dt.datetime,
    *,
    settle: dt.timedelta,
    overlap: dt.timedelta,
) -> Window:
    """Return what a run reads. `first` is where the first run starts; None means from the beginning."""
    end = (service_time - settle).replace(microsecond=0)
    return Window(first if bookmark is None else bookmark.end - overlap, end)


def _literal(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
