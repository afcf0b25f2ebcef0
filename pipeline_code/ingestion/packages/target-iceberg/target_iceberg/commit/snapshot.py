"""What a load changes in its table, and how it is committed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyiceberg.exceptions import BadRequestError, CommitFailedException
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import AssertTableUUID, TableRequirement, TableUpdate
from pyiceberg.utils.properties import property_as_int

from target_iceberg.pyiceberg_private import LoadSnapshot, send

RETRIES = 10
"""How often a commit is tried again, where the table's `commit.retry.num-retries` does not say."""
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Change:
    """What a load does to its table: data files and delete files it adds, and whether all older ones go."""

    data: tuple[DataFile, ...] = ()
    deletes: tuple[DataFile, ...] = ()
    replaces: bool = False

    @classmethod
    def of(cls, table: Table, snapshot: Snapshot, *, replaces: bool) -> Change:
        """Return the change that a snapshot made, read from its manifests."""
        added = [
            entry.data_file
            for manifest in snapshot.manifests(table.io)
            if manifest.added_snapshot_id == snapshot.snapshot_id
            for entry in manifest.fetch_manifest_entry(table.io)
            if entry.status == ManifestEntryStatus.ADDED and entry.snapshot_id == snapshot.snapshot_id
        ]
        data = tuple(file for file in added if file.content == DataFileContent.DATA)
        return cls(data, tuple(file for file in added if file.content != DataFileContent.DATA), replaces)

    def is_empty_for(self, table: Table) -> bool:
        """Whether the table would hold the same rows after it."""
        return not (self.data or self.deletes or (self.replaces and table.current_snapshot() is not None))


@dataclass(frozen=True)
class Attempt:
    """One metadata commit: its updates, their conditions, and the snapshot that was written for it, if any."""

    updates: tuple[TableUpdate, ...]
    requirements: tuple[TableRequirement, ...]
    written: LoadSnapshot | None = None

    @classmethod
    def of(cls, written: LoadSnapshot) -> Attempt:
        """Write a snapshot; return the commit that adds it."""
        return cls(*written.updates(), written)

    def also(self, *updates: TableUpdate) -> Attempt:
        """Return the same commit with further updates."""
        return Attempt((*self.updates, *updates), self.requirements, self.written)


def commit(table: Table, attempt: Callable[[], Attempt | None], landed: Callable[[], bool]) -> None:
    """Commit what `attempt` makes of the refreshed table (None: nothing to do), again after each conflict.

    `landed` says, of the refreshed table, whether an earlier try got through although its answer did not. Raises what
    `attempt` raises, CommitFailedException when conflicts do not end, and any other error of the catalog, after which
    the outcome is not known.
    """
    retries = property_as_int(table.properties, "commit.retry.num-retries", RETRIES) or 0
    for number in range(retries + 1):
        table.refresh()
        made = attempt()
        if made is None:
            return
        before = table.metadata
        try:
            send(table, made.updates, (*made.requirements, AssertTableUUID(uuid=before.table_uuid)))
            return
        except (CommitFailedException, BadRequestError) as error:
            table.refresh()
            if landed():
                return
            if isinstance(error, BadRequestError) and table.metadata == before:
                raise  # no conflict: the catalog does not take it
            if made.written is not None:
                made.written.clean()
            if number == retries:
                raise
        except Exception:
            table.refresh()
            if not landed():
                raise
            return
        wait = min(FIRST_WAIT_SECONDS * 2**number, LONGEST_WAIT_SECONDS)
        time.sleep(wait * random.uniform(1, 1.1))  # noqa: S311 - spreads writers, hides nothing
