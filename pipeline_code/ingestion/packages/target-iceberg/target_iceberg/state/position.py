"""The position of a stream: written by the commit that adds its rows, read from the table before anything else.

The commit of a load writes the Singer bookmark into its snapshot's summary. So rows and position appear together, and
if a table is rolled back, its position goes back too. The same record is also a table property, which stays when
maintenance has expired the snapshot. A staged snapshot (see publish.py) has no effect here until it is published.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from target_iceberg.rows.values import json_text
from target_iceberg.state import seen

STREAM = "headwater.stream"
RUN_ID = "headwater.run-id"
LOAD = "headwater.load"
BOOKMARK = "headwater.bookmark"
SNAPSHOT = "headwater.snapshot-id"
SEQUENCE = "headwater.base-sequence-number"
TABLE_PROPERTY = "headwater.position"
ANCHOR = "headwater.anchor"
REPLACES = "headwater.replaces"
ROLLED_BACK = "headwater.rolled-back"

_NOT_COMPARED = frozenset({"progress_markers", "starting_replication_value"})
"""What the SDK keeps in a bookmark while a stream is read."""


@dataclass(frozen=True)
class Position:
    """The last committed load of a stream: its number from 1, the run that did it, the bookmark it ended at.

    The bookmark is whole here; of a list of what was read, a snapshot has less (seen.py).
    """

    stream: str
    load: int
    run_id: str
    bookmark: dict[str, Any]

    def summary(self, before: TableMetadata) -> dict[str, str]:
        """Return the properties of the load's snapshot, which follows the table as it was `before`."""
        return {**self._record(), **self._added(before)}

    def table_properties(self, before: TableMetadata, snapshot_id: int, base_sequence: int) -> dict[str, str]:
        """Return the table properties that outlive the load's snapshot.

        `base_sequence` is the table's last sequence number when the load was committed.
        """
        record = {**self._record(), SNAPSHOT: str(snapshot_id), SEQUENCE: str(base_sequence)}
        kept = seen.kept(before.properties, self.load, self._added(before))
        return {TABLE_PROPERTY: json.dumps(record, sort_keys=True), **kept}

    def _record(self) -> dict[str, str]:
        return {
            STREAM: self.stream,
            RUN_ID: self.run_id,
            LOAD: str(self.load),
            BOOKMARK: json_text(seen.short(self.bookmark)),
        }

    def _added(self, before: TableMetadata) -> dict[str, str]:
        base = read_position(before)
        return seen.added(self.bookmark, {} if base is None else base.bookmark)


def settled(bookmark: Any) -> dict[str, Any]:
    """Return a Singer bookmark without what the SDK adds while it reads; empty where there is none."""
    if not isinstance(bookmark, dict):
        return {}
    return {key: value for key, value in bookmark.items() if key not in _NOT_COMPARED}


def _parse(summary: dict[str, str], metadata: TableMetadata) -> Position | None:
    if LOAD not in summary:
        return None
    load = int(summary[LOAD])
    bookmark = seen.whole(json.loads(summary[BOOKMARK], parse_float=Decimal), load, summary, metadata.properties)
    return Position(summary[STREAM], load, summary[RUN_ID], bookmark)


def summary_of(snapshot: Snapshot) -> dict[str, str]:
    """Return the properties of a snapshot's summary."""
    return {} if snapshot.summary is None else dict(snapshot.summary.additional_properties)


def position_of(snapshot: Snapshot, metadata: TableMetadata) -> Position | None:
    """Return the position that a load wrote into its snapshot; None for a snapshot of anything else."""
    return _parse(summary_of(snapshot), metadata)


def staged(metadata: TableMetadata) -> list[Snapshot]:
    """Return the snapshots that runs have staged and not published, oldest first.

    One that was ever current is not among them, even if the table was rolled back since.
    """
    shown = {entry.snapshot_id for entry in metadata.snapshot_log}
    current = metadata.current_snapshot()
    shown.update(snapshot.snapshot_id for snapshot in ancestors_of(current, metadata))
    return [each for each in metadata.snapshots if ANCHOR in summary_of(each) and each.snapshot_id not in shown]


def published(metadata: TableMetadata, run_id: str) -> bool:
    """Whether the load of a run has been made current in this table."""
    kept = metadata.properties.get(TABLE_PROPERTY)
    if kept is not None and json.loads(kept)[RUN_ID] == run_id:
        return True
    pending = {snapshot.snapshot_id for snapshot in staged(metadata)}
    return any(summary_of(each).get(RUN_ID) == run_id for each in metadata.snapshots if each.snapshot_id not in pending)


def read_position(metadata: TableMetadata) -> Position | None:
    """Return the position of a table's current snapshot: that of its nearest ancestor which a load committed.

    None for a table that no load of this target has filled. Maintenance adds snapshots between (rewrites) and removes
    old ones: where no ancestor tells any more, the table property does.
    """
    current = snapshot = metadata.current_snapshot()
    while snapshot is not None:
        if (position := position_of(snapshot, metadata)) is not None:
            return position
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else metadata.snapshot_by_id(parent)
    kept = metadata.properties.get(TABLE_PROPERTY)
    if current is None or kept is None:
        return None
    record = json.loads(kept)
    # Rolled back: it was seen, or is to be seen; or the load has expired, and the current snapshot is older.
    rolled_back = ROLLED_BACK in record or mark_of_rollback(metadata) is not None
    older = (current.sequence_number or 0) <= int(record[SEQUENCE])
    return None if rolled_back or older else _parse(record, metadata)


def mark_of_rollback(metadata: TableMetadata) -> dict[str, str] | None:
    """Return the table property to be set where the load that it tells of was rolled back; None where it was not.

    It has to be marked as long as this can be seen: when the load's snapshot has expired, and a compaction has made a
    newer one, the property would be believed again, and the rows never sent. The mark still says which run it was.
    """
    kept = metadata.properties.get(TABLE_PROPERTY)
    if kept is None or ROLLED_BACK in (record := json.loads(kept)):
        return None
    number = int(record[SNAPSHOT])
    ancestors = {snapshot.snapshot_id for snapshot in ancestors_of(metadata.current_snapshot(), metadata)}
    if metadata.snapshot_by_id(number) is None or number in ancestors:
        return None
    return {TABLE_PROPERTY: json.dumps({**record, ROLLED_BACK: "true"}, sort_keys=True)}
