"""What an uncommitted load has stored so far: kept in its table, so that the next run can continue.

It is a snapshot that is never current. It holds the data files, so that nothing treats them as orphans, and its summary
says what the tap needs to know about them. Each such snapshot replaces the one before in one commit. The commit that
makes a load of the table current removes it. So a table has at most one. The run that wrote it last, or found it first,
owns its files: another run on the same stream can't commit any more.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import RemoveSnapshotsUpdate, TableUpdate

from target_iceberg.commit.snapshot import Attempt, Change, commit
from target_iceberg.pyiceberg_private import ProgressSnapshot
from target_iceberg.state.position import summary_of

PROGRESS = "headwater.progress"
"""Property of the snapshot: what the tap has said, with the names of files, as JSON."""
PROGRESS_RUN = "headwater.progress-run"
NUMBER = "headwater.progress-number"
LOADED_AT = "headwater.progress-loaded-at"
SHAPE = "headwater.progress-shape"

logger = logging.getLogger(__name__)


class RefusedLoadError(ValidationException):
    """The rows do not continue where the table stands: committing them would double or lose rows."""


def kept(metadata: TableMetadata) -> Snapshot | None:
    """Return the snapshot that keeps the progress of a load that is not committed; None where there is none."""
    found = [each for each in metadata.snapshots if PROGRESS in summary_of(each)]
    return max(found, key=lambda each: each.sequence_number or each.timestamp_ms) if found else None


def without_progress(metadata: TableMetadata) -> tuple[TableUpdate, ...]:
    """Return what removes kept progress from a table, for a commit after which it is worth nothing."""
    found = [each.snapshot_id for each in metadata.snapshots if PROGRESS in summary_of(each)]
    return tuple(RemoveSnapshotsUpdate(snapshot_ids=[number]) for number in found)  # type: ignore[call-arg]


def shape(table: Table, columns: Mapping[str, str]) -> str:
    """Return what has to be the same for stored files to be data files of a table: its columns and the files' names."""
    fields = [f"{each.field_id} {each.name} {each.field_type} {each.required}" for each in table.schema().fields]
    told = json.dumps([fields, dict(columns), str(table.spec().fields), str(table.sort_order().fields)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


class Progress:
    """The progress of one load: what it finds, and what it keeps."""

    def __init__(self, table: Table, run_id: str) -> None:
        """Look for what a run has left that died."""
        self._table, self._run_id = table, run_id
        self._found = kept(table.metadata)
        self._number = 0
        self._was_kept = False
        self._sent: dict[str, tuple[str, ...]] = {}
        """Files of the load by what the tap calls them; none for what had no rows."""
        self.files: dict[str, DataFile] = {}
        """Files of the run that died, by their paths; those of this run that were kept."""
        if self._found is not None:
            self.files = {file.file_path: file for file in Change.of(table, self._found, replaces=False).data}

    @property
    def loaded_at(self) -> dt.datetime | None:
        """When the load began that is gone on from."""
        return None if self._found is None else dt.datetime.fromisoformat(summary_of(self._found)[LOADED_AT])

    def offer(self, columns: Mapping[str, str]) -> dict[str, Any]:
        """Return what the tap has said of the files that can be taken over; empty where there is none."""
        if self._found is None:
            return {}
        summary = summary_of(self._found)
        if summary[SHAPE] != shape(self._table, columns):
            logger.info("%s: files of a run that died are not used: its columns are others", _name(self._table))
            return {}
        told = json.loads(summary[PROGRESS])
        paths = {path.rpartition("/")[2]: path for path in self.files}
        for piece in told["pieces"]:
            piece["files"] = [paths[name] for name in piece["files"]]
            piece["rows"] = sum(self.files[path].record_count for path in piece["files"])
        return dict(told)

    def came(self, sent: str, path: str | None) -> None:
        """Note where a file is stored; `sent` is what the tap calls it. None: it had no rows."""
        self._sent[sent] = () if path is None else (path,)

    def take(self, paths: Sequence[str]) -> list[DataFile]:
        """Return files that a run which died has left. ValueError for others, and for one that is taken already."""
        for path in paths:
            if path in self._sent or path not in self.files:
                raise ValueError(f"{path} is none of the files that table {_name(self._table)} keeps")
            self.came(path, path)
        return [self.files[path] for path in paths]

    def forget(self) -> None:
        """Forget what came: the tap reads the stream from its beginning again."""
        self._sent = {}

    def keep(
        self, said: Mapping[str, Any], stored: Sequence[DataFile], loaded_at: dt.datetime, columns: Mapping[str, str],
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        """Keep files of those that are `stored`, in place of what was kept before.

        `said` is the tap's, with what it calls the files of each piece. Nothing is kept where rows of one are in files
        with others, because they were looked at one by one. `check` raises where nothing may be kept. That the catalog
        does not take it is a warning: the load does not need it.
        """
        by_path = {file.file_path: file for file in stored}
        sent = [each for piece in said["pieces"] for each in piece["files"]]
        if any(each not in self._sent for each in sent):
            return
        files = [by_path[path] for each in sent for path in self._sent[each]]
        if not files:
            return
        pieces = [
            {**piece, "files": [path.rpartition("/")[2] for each in piece["files"] for path in self._sent[each]]}
            for piece in said["pieces"]
        ]
        told = {"source": said["source"], "pieces": pieces}
        self._number += 1
        # From here on a run that comes next may use them, whatever becomes of this one.
        self.files |= {file.file_path: file for file in files}
        summary = {
            PROGRESS: json.dumps(told, sort_keys=True),
            PROGRESS_RUN: self._run_id,
            NUMBER: str(self._number),
            LOADED_AT: loaded_at.isoformat(),
            SHAPE: shape(self._table, columns),
        }
        table = self._table

        def attempt() -> Attempt:
            check()
            written = ProgressSnapshot(table.transaction(), Change(tuple(files)), summary, staged=True)
            return Attempt.of(written).also(*without_progress(table.metadata))

        try:
            commit(table, attempt, self._has_landed)
        except RefusedLoadError:
            raise
        except Exception:
            logger.warning("%s: its progress could not be kept", _name(table), exc_info=True)
        else:
            self._was_kept = True

    def drop(self, check: Callable[[], None]) -> None:
        """Remove what is kept, for a load that has nothing to commit. `check` raises where it may not be removed."""
        table = self._table

        def attempt() -> Attempt | None:
            check()
            return Attempt(removed, ()) if (removed := without_progress(table.metadata)) else None

        if kept(table.metadata) is not None:
            commit(table, attempt, lambda: kept(table.metadata) is None)

    def check(self) -> None:
        """Raise RefusedLoadError unless the refreshed table keeps what this run has found there, or kept itself."""
        now = kept(self._table.metadata)
        if now is None:
            expected = self._found is None and not self._was_kept
        else:
            own = summary_of(now)[PROGRESS_RUN] == self._run_id
            expected = own or (self._found is not None and now.snapshot_id == self._found.snapshot_id)
        if not expected:
            other = "it was removed" if now is None else f"run {summary_of(now)[PROGRESS_RUN]} has gone on from it"
            raise RefusedLoadError(
                f"table {_name(self._table)}: two runs at once. This one has kept or found the progress of its load "
                f"there, and {other}. Nothing was committed: run again."
            )

    def _has_landed(self) -> bool:
        now = kept(self._table.metadata)
        found = {} if now is None else summary_of(now)
        return (found.get(PROGRESS_RUN), found.get(NUMBER)) == (self._run_id, str(self._number))


def _name(table: Table) -> str:
    return ".".join(table.name())
