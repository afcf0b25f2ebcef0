"""How far a stream has followed the log, and which transactions a snapshot sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LSN = "_sdc_lsn"
DELETED_AT = "_sdc_deleted_at"
_IDS = 1 << 32
"""Transaction ids of the log and of rows begin anew after so many; those of snapshots do not."""


@dataclass(frozen=True)
class Visible:
    """The transactions that a snapshot sees: all below `xmin`, none from `xmax` on, none of `running`."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Visible:
        """Return what PostgreSQL prints of a pg_snapshot, such as `10:20:10,14`."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(each) for each in running.split(",") if each))

    def __contains__(self, transaction: int) -> bool:
        """Whether a transaction, by its 64-bit id, had ended and become visible."""
        return transaction < self.xmax and transaction not in self.running

    def whole(self, number: int) -> int:
        """Return the 64-bit id of a transaction that the log knows by 32 bits: no log reaches back by 2^31 of them."""
        return self.xmax + (number - self.xmax + (_IDS >> 1)) % _IDS - (_IDS >> 1)


@dataclass(frozen=True)
class Shape:
    """What a table is, as far as its log does not say when that changes.

    `columns` are names by number (a renamed column keeps its number); `files` names by the number of the table, or of
    each of its partitions, the file that holds it (0: a partition that is divided further): TRUNCATE, and whatever
    writes a table anew, gives it another one. `published` is another one when the publication was altered, or the table
    was taken out of it and put back.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    published: str = ""


@dataclass(frozen=True)
class LogPosition:
    """How far a stream has followed the log of `slot` on the server `system`, in its history `timeline`.

    The lake has all changes whose commits stand before `lsn`, and those of the transactions that `snapshot` sees: the
    one in which the table was read in full. `shape` is what the table was by then.
    """

    system: str | None
    timeline: str
    slot: str
    lsn: int
    snapshot: str
    shape: Shape = field(default_factory=Shape)

    def to_state(self) -> dict[str, Any]:
        """Return the Singer bookmark."""
        source = {"system": self.system, "timeline": self.timeline, "slot": self.slot, "snapshot": self.snapshot}
        shape = {
            "columns": dict(self.shape.columns),
            "files": dict(self.shape.files),
            "published": self.shape.published,
        }
        return {"replication_key": LSN, "replication_key_value": self.lsn, **source, **shape}


def position_from_state(state: Mapping[str, Any] | None) -> LogPosition | None:
    """Return the position of a Singer bookmark; None for one that is not about the log, or that lacks a field."""
    if not state or state.get("replication_key") != LSN:
        return None
    if not state.keys() >= {"replication_key_value", "timeline", "slot", "snapshot", "columns", "files", "published"}:
        return None
    return LogPosition(
        state.get("system"),
        state["timeline"],
        state["slot"],
        int(state["replication_key_value"]),
        state["snapshot"],
        Shape(state["columns"], state["files"], state["published"]),
    )
