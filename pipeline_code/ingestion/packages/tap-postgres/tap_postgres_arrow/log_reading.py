"""Tables whose streams follow the source's log: first a complete read, then each change."""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headwater_tap import apart
from headwater_tap.selection import ROWS_SENT, Selection

from tap_postgres_arrow import publication
from tap_postgres_arrow.changelog import ChangeLog, Wanted
from tap_postgres_arrow.columns import Column
from tap_postgres_arrow.log_position import DELETED_AT, LSN, LogPosition, position_from_state
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.source import Source, Table
from tap_postgres_arrow.spill import TableChanges

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

ADDED = (Column(DELETED_AT, "timestamptz", True), Column(LSN, "int8", True))
"""What a stream that follows the log adds to the table's columns: when a row was removed, and where the log says so."""


class Followed:
    """The tables of one run that follow the log. Open it before the run's snapshot is taken, close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect, and make the replication slot if there is none; SourceError if the source keeps no such log."""
        self._log = ChangeLog(config, logging.getLogger(__name__))
        self._prefix: str = config["stream_prefix"]
        self._folder = tempfile.TemporaryDirectory(prefix="headwater-changes-")
        self._wanted: dict[str, Wanted] = {}
        self._changes: dict[str, TableChanges] = {}

    def close(self) -> None:
        """End the connection, and delete what was not read."""
        self._log.close()
        self._folder.cleanup()

    def has(self, table: Table) -> bool:
        """Whether a table is followed: it is published, and its rows can be told apart."""
        if table.name not in self._log.tables or not table.primary_key:
            return False
        published = self._log.tables[table.name]
        return published is None or published.issuperset(table.primary_key)

    def described(self, tables: Iterable[Table]) -> tuple[Table, ...]:
        """Return the tables; those that are followed with columns as their streams have them.

        These are the published ones. Of a removed row only the key is known: all other columns are nullable.
        """
        return tuple(replace(each, columns=self._columns(each)) if self.has(each) else each for each in tables)

    def prepare(
        self, source: Source, tables: Iterable[Table], selected: frozenset[str], states: Mapping[str, Any]
    ) -> None:
        """Read the log. source: the run's snapshot; selected: the streams of this run; states: the bookmark of each
        stream that was ever loaded.
        """
        ((self._snapshot,),) = source.connection.query("select pg_current_snapshot()::text as snapshot")
        followed = {table.name: table for table in tables if self.has(table)}
        own = {name: frozenset(each.name for each in table.columns) for name, table in followed.items()}
        now = publication.described(source.connection, self._log.publication, self._log.schema, own)
        self._wanted = {
            name: Wanted(
                table.primary_key, now[name], table.stream in selected, position_from_state(states.get(table.stream))
            )
            for name, table in followed.items()
        }
        self._lsn, self._changes = self._log.read(Path(self._folder.name), self._wanted, self._snapshot)

    def reading(
        self, source: Source, table: Table, selection: Selection, state: dict[str, Any], late_window: dt.timedelta
    ) -> LogReading:
        """Return the reading of a followed table."""
        wanted = self._wanted[table.name]
        changes = self._changes.get(table.name)
        if changes is not None and changes.anew is not None:
            changes = None
        snapshot = self._snapshot if changes is None or wanted.known is None else wanted.known.snapshot
        made = LogReading(source, table, selection, state, late_window)
        made.follow(self._log.position(self._lsn, snapshot, wanted.now), changes, wanted.now)
        return made

    def _columns(self, table: Table) -> tuple[Column, ...]:
        published = self._log.tables[table.name]
        own = [
            column if column.name in table.primary_key else replace(column, nullable=True)
            for column in table.columns
            if published is None or column.name in published
        ]
        return (*own, *ADDED)


class LogReading(Reading):
    """Rows as they were written, and rows that were removed: of those the key and `_sdc_deleted_at` are known."""

    engine_writes = False

    def follow(self, position: LogPosition, changes: TableChanges | None, now: publication.Described) -> None:
        """Read `changes`, or everything if there are none to go on from; either leads to `position` of the log."""
        self._position, self._log_changes, self._now = position, changes, now
        self._apart: list[dict[str, Any]] = []

    def begin(self, position: dict[str, Any] | None) -> None:
        """Mark the state as that of a stream that is being read; what the target has committed wins."""
        if position is not None:
            self._state.clear()
        super().begin(position)
        self._state.update(position or {})

    @property
    def is_complete(self) -> bool:
        """Whether all rows are read, so that they replace what the target holds."""
        return self._log_changes is None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The selected columns; the key and what the log adds always are."""
        always = {*self.table.primary_key, DELETED_AT, LSN}
        chosen = {column.name for column in super().columns} | always
        return tuple(column for column in self.table.columns if column.name in chosen)

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """Those of the selected columns that the source's table has."""
        return tuple(column for column in self.columns if column not in ADDED)

    def complete(
        self, send: Callable[[], Iterator[T]], write: Callable[[dict[str, Any]], None], state: Callable[[], None]
    ) -> Iterator[T]:
        """Yield what `send` does, see Reading. Of the log, rows that don't fit are left out as they are met."""
        if self.is_complete:
            yield from super().complete(send, write, state)
            return
        yield from send()
        for message in apart.messages(self._apart):
            write(message)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to send; after the last, advance the state."""
        from tap_postgres_arrow import arrow, changed_rows
        from tap_postgres_arrow.unsent import Unsent

        own = self.own_columns
        schema = arrow.arrow_schema(self.columns)
        rows = 0
        if self._log_changes is None:
            read = arrow.read(self.source, self.table, own, self.condition)
            batches = changed_rows.from_snapshot(read, schema, self._position.lsn)
        else:
            unsent = Unsent(self._log_changes, self.source, self.table, self._now.types, self._now.generated)
            logged = changed_rows.LoggedRows(self._log_changes, self.table, own, unsent)
            self._apart, batches = logged.apart, logged.batches(schema)
        for batch in batches:
            rows += batch.num_rows
            yield batch
        self._state.clear()
        # An empty table leaves no commit that could carry a position: it is read in full until it has rows.
        if rows > 0 or not self.is_complete:
            self._state.update(self._position.to_state())
        self._state[ROWS_SENT] = rows
