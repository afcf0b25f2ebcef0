"""All tables of a run, or none: snapshots are staged first, then made current one by one.

A catalog commits one table at a time. So a run first commits every table's snapshot without making it current, and
readers see nothing of it. Each snapshot names the run's anchor: the table that is staged first and published first. The
anchor decides. If it is published, the next process that comes completes the run. If not, that process drops the run,
the anchor's snapshot first. Both are commits that require the anchor's current snapshot to be unchanged, so two runs
can't decide differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
)

from target_iceberg.commit.progress import RefusedLoadError, without_progress
from target_iceberg.commit.snapshot import Attempt, Change, commit
from target_iceberg.pyiceberg_private import LoadSnapshot
from target_iceberg.state.position import (
    ANCHOR,
    REPLACES,
    Position,
    mark_of_rollback,
    position_of,
    published,
    read_position,
    staged,
    summary_of,
)

WAP_ID = "wap.id"
"""Iceberg's own name for what a staged snapshot belongs to."""
MODE = "headwater.write"
"""Property of the table and of a snapshot: how rows are written, append or merge."""


def of_run(table: Table, run_id: str) -> Snapshot | None:
    """Return what a run has staged in a table."""
    found = [each for each in staged(table.metadata) if summary_of(each)[WAP_ID] == run_id]
    return found[-1] if found else None


def staging(table: Table, position: Position, anchor: str, write: str, *, replaces: bool) -> dict[str, str]:
    """Return the summary of a staged snapshot: all that whoever publishes it needs to know."""
    told = {ANCHOR: anchor, WAP_ID: position.run_id, REPLACES: str(replaces).lower(), MODE: write}
    return {**position.summary(table.metadata), **told}


def stage(table: Table, change: Change, summary: Mapping[str, str], check: Callable[[], None]) -> None:
    """Commit a change as a snapshot that is not current. `check` raises when it may not be, of the refreshed table."""

    def attempt() -> Attempt:
        check()
        return Attempt.of(LoadSnapshot(table.transaction(), change, summary, staged=True))

    commit(table, attempt, lambda: of_run(table, summary[WAP_ID]) is not None)


def publish(table: Table, run_id: str) -> None:
    """Make current what a run has staged in a table; does nothing where that is done.

    A commit of maintenance since it was staged stays: the change is then made again on top of it. RefusedLoadError
    where the snapshot was dropped, or another load is current: another run was there.
    """

    def attempt() -> Attempt | None:
        if published(table.metadata, run_id):
            return None
        snapshot = of_run(table, run_id)
        position = None if snapshot is None else position_of(snapshot, table.metadata)
        now = read_position(table.metadata)
        if snapshot is None or position is None or position.load != (1 if now is None else now.load + 1):
            other = "it" if now is None else f"load {now.load} of run {now.run_id}"
            raise RefusedLoadError(
                f"table {'.'.join(table.name())}: two runs at once. Another one began after this one had staged its "
                f"rows, and dropped them; the table stands at {other}. Nothing of this run was published: run again."
            )
        return _publication(table, snapshot, position)

    commit(table, attempt, lambda: published(table.metadata, run_id))


def _publication(table: Table, snapshot: Snapshot, position: Position) -> Attempt:
    """Return the commit that makes a staged snapshot current, as it is or made anew on what is current now."""
    summary = summary_of(snapshot)
    remembered = {MODE: summary[MODE]}
    current = table.current_snapshot()
    current_id = None if current is None else current.snapshot_id
    if snapshot.parent_snapshot_id == current_id:
        properties = position.table_properties(
            table.metadata, snapshot.snapshot_id, (snapshot.sequence_number or 1) - 1
        )
        shown = SetSnapshotRefUpdate(
            ref_name=MAIN_BRANCH, type=SnapshotRefType.BRANCH, snapshot_id=snapshot.snapshot_id
        )  # type: ignore[call-arg]
        return Attempt(
            (shown, SetPropertiesUpdate(updates={**properties, **remembered}), *without_progress(table.metadata)),
            (AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=current_id),),  # type: ignore[call-arg]
        )
    change = Change.of(table, snapshot, replaces=summary[REPLACES] == "true")
    stale = RemoveSnapshotsUpdate(snapshot_ids=[snapshot.snapshot_id])  # type: ignore[call-arg]
    return load_attempt(table, change, position, summary[MODE]).also(stale)


def load_attempt(table: Table, change: Change, position: Position, write: str) -> Attempt:
    """Return the commit that makes a load's change current, with its position and how it was written."""
    base: int = getattr(table.metadata, "last_sequence_number", 0)  # format 1 has none
    summary = {**position.summary(table.metadata), MODE: write}
    written = LoadSnapshot(table.transaction(), change, summary, staged=False)
    properties = {**position.table_properties(table.metadata, written.snapshot_id, base), MODE: write}
    return Attempt.of(written).also(SetPropertiesUpdate(updates=properties), *without_progress(table.metadata))


def drop(table: Table, run_id: str) -> bool:
    """Remove what a run has staged in a table. Returns False where it was published after all."""

    def attempt() -> Attempt | None:
        snapshot = of_run(table, run_id)
        if snapshot is None:
            return None
        current = table.current_snapshot()
        condition = AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=None if current is None else current.snapshot_id)  # type: ignore[call-arg]
        return Attempt((RemoveSnapshotsUpdate(snapshot_ids=[snapshot.snapshot_id]),), (condition,))  # type: ignore[call-arg]

    commit(table, attempt, lambda: of_run(table, run_id) is None)
    return not published(table.metadata, run_id)


def settle(catalog: Catalog, table: Table, own_run: str = "") -> None:
    """Publish or drop what other runs have staged in a table, as each run's anchor says; refreshes the table.

    For a table that is about to be loaded: a run that is dropped here is dead, or loads the same stream at once.
    """
    note_rollback(table)
    for snapshot in staged(table.metadata):
        run_id = summary_of(snapshot)[WAP_ID]
        if run_id == own_run:
            continue
        anchor = _anchor(catalog, table, snapshot)
        if anchor is not None and (published(anchor.metadata, run_id) or not drop(anchor, run_id)):
            _publish_late(table, run_id)
        else:
            drop(table, run_id)
    table.refresh()


def note_rollback(table: Table) -> None:
    """Mark the table's property where it tells of a load that was rolled back; no commit where it does not."""
    if mark_of_rollback(table.metadata) is None:
        return

    def attempt() -> Attempt | None:
        mark, current = mark_of_rollback(table.metadata), table.metadata.current_snapshot_id
        condition = AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=current)  # type: ignore[call-arg]
        return None if mark is None else Attempt((SetPropertiesUpdate(updates=mark),), (condition,))

    commit(table, attempt, lambda: mark_of_rollback(table.metadata) is None)


def complete(catalog: Catalog, tables: Iterable[Table]) -> None:
    """Publish in all tables what a run that ended between two of them had left. What is undecided is not touched."""
    for table in tables:
        note_rollback(table)
        for snapshot in staged(table.metadata):
            run_id = summary_of(snapshot)[WAP_ID]
            anchor = _anchor(catalog, table, snapshot)
            if anchor is not None and published(anchor.metadata, run_id):
                _publish_late(table, run_id)


def _publish_late(table: Table, run_id: str) -> None:
    """Publish for a run that ended; drop what fits no longer, because the table was rolled back since."""
    try:
        publish(table, run_id)
    except RefusedLoadError:
        drop(table, run_id)


def _anchor(catalog: Catalog, table: Table, snapshot: Snapshot) -> Table | None:
    """Return the anchor of the run that staged a snapshot, freshly loaded; None if it was dropped."""
    *namespace, _ = table.name()
    try:
        return catalog.load_table((*namespace, summary_of(snapshot)[ANCHOR]))
    except NoSuchTableError:
        return None


class Staging(Protocol):
    """A prepared load, as `together` needs it."""

    table_name: str

    def stage(self, anchor: str) -> None:
        """Commit without showing."""

    def publish(self) -> object:
        """Show what is staged."""

    def withdraw(self) -> bool:
        """Drop what is staged; False where it is shown already."""


def together(loads: Sequence[Staging]) -> None:
    """Publish the changes of all prepared loads, or of none. The first one is the anchor.

    Raises what went wrong. Where the anchor was published and another table could not be, the next run does it.
    """
    anchor, *others = loads
    try:
        for load in loads:
            load.stage(anchor.table_name)
        anchor.publish()
    except Exception:
        if anchor.withdraw():
            for load in others:
                load.withdraw()
            raise
        anchor.publish()
    for load in others:
        load.publish()
