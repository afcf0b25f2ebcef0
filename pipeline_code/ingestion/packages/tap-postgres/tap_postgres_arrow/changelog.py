"""Change data capture: what PostgreSQL's log says about the tables of a publication, through a replication slot.

A run peeks at the slot and never consumes it: if the run dies, what it read is still there. A later run moves the slot
forward at its start, past what the lake has committed by then, so that the source keeps its log no longer than needed.

A run reads the log up to the first commit that its snapshot does not see. So what it sends, and what it finds in
tables, belong to the same state. A table that was read in full remembers the snapshot; what that snapshot sees is never
a change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tap_postgres_arrow import pgoutput, publication, slot
from tap_postgres_arrow.columns import quoted
from tap_postgres_arrow.engine import Connection, SourceError, literal
from tap_postgres_arrow.log_position import LogPosition, Visible
from tap_postgres_arrow.publication import Described
from tap_postgres_arrow.spill import ROWS, Followed, Spill, TableChanges
from tap_postgres_arrow.trust import trust

_SETTINGS = "select current_setting('wal_level') as level, current_setting('max_slot_wal_keep_size') as keep"


@dataclass(frozen=True)
class Wanted:
    """A table of the publication: its key, how it is now, whether this run reads it, and where its stream stands."""

    key: tuple[str, ...]
    now: Described
    selected: bool
    known: LogPosition | None


class ChangeLog:
    """The log of a database, read through a slot of ours. Open it before the run's snapshot is taken."""

    def __init__(self, config: Mapping[str, Any], logger: logging.Logger) -> None:
        """Connect, and make the slot if there is none.

        Raises SourceError, with the way out, when the server keeps no logical log, or the publication lacks changes.
        """
        self.publication, self.schema = str(config["publication"]), str(config["schema"])
        trust(config)
        self._connection = Connection(config)
        self._logger = logger
        try:
            self._open(str(config["slot"]))
        except BaseException:
            self._connection.close()
            raise

    def _open(self, wanted: str) -> None:
        ((level, keep),) = self._connection.query(_SETTINGS)
        if level != "logical":
            raise SourceError(
                f"wal_level is {level!r}: set it to 'logical' on the source and restart it, or unset `publication`"
            )
        self.tables = publication.published(self._connection, self.publication, self.schema, self._logger)
        if keep == "-1":
            self._logger.warning(
                "max_slot_wal_keep_size is unlimited on the source: a slot that nobody reads fills its disk. "
                "Set it, for example to 10GB; a slot that was cut off is made anew, and its tables are read again."
            )
        publication.settle(self._connection, self.publication, self._logger)
        self._slot = slot.find_or_make(self._connection, wanted, self._logger)
        self._system, self._timeline = slot.identity(self._connection)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def read(self, folder: Path, wanted: Mapping[str, Wanted], snapshot: str) -> tuple[int, dict[str, TableChanges]]:
        """Return the position up to which the log was read, and the changes before it of the tables that follow it.

        The slot is let go past what is done. wanted: tables by name. snapshot: what the run sees, as PostgreSQL prints
        it. Raises SourceError for a table whose log does not say which row was removed.
        """
        # Noted after the snapshot: what that one sees, such as that a row is gone, the log then has, too.
        end = slot.flushed(self._connection)
        seen = Visible.parse(snapshot)
        following = {name: table for name, table in wanted.items() if self._follows(name, table.known, end)}
        new = {
            name: (table.known.lsn, Visible.parse(table.known.snapshot))
            for name, table in following.items()
            if table.known is not None
        }
        spill = Spill(folder, {name: self._followed(name, table) for name, table in following.items()})
        transaction, number = pgoutput.Begin(0, 0, 0), 0
        pending: int | None = None

        def is_new(relation: int) -> bool:
            lsn, in_full = new.get(spill.name(relation) or "", (end, seen))
            return transaction.position >= lsn and number not in in_full

        for data in self._messages(end):
            if transaction.position >= end:
                continue
            match pgoutput.decode(data):
                case pgoutput.Begin() as transaction:
                    number = seen.whole(transaction.number)
                    if transaction.position < end and number not in seen:
                        end = transaction.position
                case pgoutput.Relation() as relation if relation.schema == self.schema:
                    spill.describe(relation)
                case pgoutput.Truncate(relations) if emptied := [each for each in relations if is_new(each)]:
                    for each in emptied:
                        spill.renew(each, "it was emptied (TRUNCATE)")
                    pending = transaction.position if pending is None else pending
                case pgoutput.Change() as change if is_new(change.relation):
                    spill.add(change, transaction.position, transaction.committed_at)
                    pending = transaction.position if pending is None else pending
        spill.flush()
        self._release(wanted, following, end if pending is None else pending)
        return end, spill.tables

    def position(self, lsn: int, snapshot: str, now: Described) -> LogPosition:
        """Return where a stream stands that has followed this log up to `lsn`, see LogPosition."""
        return LogPosition(self._system, self._timeline, self._slot, lsn, snapshot, now.shape)

    def _follows(self, table: str, known: LogPosition | None, end: int) -> bool:
        """Whether the slot has all that happened to a stream since a position; otherwise it is to be read in full."""
        if known is None:
            return False
        if (known.system, known.timeline) != (self._system, self._timeline) or known.lsn > end:
            self._logger.warning(
                "%s.%s is read in full: the server was replaced, promoted or restored since (system %s, timeline %s, "
                "then %s, %s), and may lack what the lake has, or have what the lake lacks",
                self.schema, table, self._system, self._timeline, known.system, known.timeline,
            )  # fmt: skip
            return False
        return known.slot == self._slot

    def _followed(self, name: str, table: Wanted) -> Followed:
        """Return what `Spill` is to know of a table whose stream follows the log."""
        known, now = table.known, table.now
        before = now.shape if known is None else known.shape
        anew = now.differs_from(before)
        if anew is not None:
            self._logger.warning("%s.%s is read in full: %s", self.schema, name, anew)
        # A column that was added since is not in the rows of before, and null there.
        present = [each for number, each in now.shape.columns.items() if number in before.columns]
        return Followed(table.key, frozenset(present) - now.generated, anew)

    def _messages(self, end: int) -> Iterator[bytes]:
        read = f"pg_logical_slot_peek_binary_changes({literal(self._slot)}, {literal(slot.printed(end))}, null,"
        sql = (
            f"select data from {read}"  # noqa: S608 - literals
            f" 'proto_version', '1', 'publication_names', {literal(quoted(self.publication))})"
        )
        for batch in self._connection.stream(sql, ROWS):
            yield from batch.column(0).to_pylist()

    def _release(self, wanted: Mapping[str, Wanted], following: Mapping[str, Wanted], lsn: int) -> None:
        """Let the slot go to `lsn`, unless a table of which nothing is known may belong to a run of other streams."""
        unknown = sorted(name for name, table in wanted.items() if not table.selected and name not in following)
        if unknown:
            self._logger.warning(
                "slot %s stays where it is: %s of publication %s is read by another run, or by none. Read it once, or "
                "follow a publication without it (create publication … for table …)",
                self._slot, ", ".join(unknown), self.publication,
            )  # fmt: skip
        else:
            slot.release(self._connection, self._slot, lsn)
