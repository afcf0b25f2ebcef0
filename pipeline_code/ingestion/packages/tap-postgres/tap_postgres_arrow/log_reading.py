"""Tables whose streams follow the source's log: first a complete read, then each change."""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater_tap.selection import Selection

from tap_postgres_arrow.boundary import Key
from tap_postgres_arrow.changelog import DELETED_AT, LSN, ChangeLog, LogPosition, TableChanges, position_from_state
from tap_postgres_arrow.columns import Column
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.source import Source, Table

if TYPE_CHECKING:
    import pyarrow as pa

ADDED = (Column(DELETED_AT, "timestamptz", True), Column(LSN, "int8", True))
"""What a stream that follows the log adds to the table's columns: when a row was removed, and where the log says so."""


class Followed:
    """The tables of one run that follow the log. Open it before the run's snapshot is taken, close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect, and make the replication slot if there is none; SourceError if the source keeps no such log."""
        self._log = ChangeLog(config, logging.getLogger(__name__))
        self._prefix: str = config["stream_prefix"]
        self._folder = tempfile.TemporaryDirectory(prefix="headwater-changes-")
        self._known: dict[str, LogPosition] = {}
        self._changes: dict[str, TableChanges] = {}

    def close(self) -> None:
        """End the connection, and delete what was not read."""
        self._log.close()
        self._folder.cleanup()

    def has(self, table: Table) -> bool:
        """Whether a table is followed: it is published, and its rows can be told apart."""
        return table.name in self._log.tables and bool(table.primary_key)

    def described(self, tables: Iterable[Table]) -> tuple[Table, ...]:
        """Return the tables; those that are followed with columns as their streams have them.

        Of a removed row only the key is known, so all other columns are nullable.
        """
        return tuple(replace(each, columns=_columns(each)) if self.has(each) else each for each in tables)

    def prepare(self, tables: Iterable[Table], selected: frozenset[str], states: Mapping[str, Any]) -> None:
        """Read the log. selected: the streams of this run; states: the bookmark of each stream that was ever loaded."""
        known = {self._table(stream): position_from_state(state) for stream, state in states.items()}
        self._known = {name: found for name, found in known.items() if name is not None and found is not None}
        keys = {table.name: table.primary_key for table in tables if self.has(table)}
        chosen = frozenset(name for stream in selected if (name := self._table(stream)) is not None)
        self._changes = self._log.read(Path(self._folder.name), keys, chosen, self._known)

    def _table(self, stream: str) -> str | None:
        """Return the table of a stream; None for a stream of another source."""
        return stream.removeprefix(self._prefix) if stream.startswith(self._prefix) else None

    def reading(
        self, source: Source, table: Table, selection: Selection, state: dict[str, Any], late_window: dt.timedelta
    ) -> LogReading:
        """Return the reading of a followed table."""
        changes = self._changes.get(table.name, TableChanges())
        complete = changes.truncated or not self._log.follows(self._known.get(table.name))
        made = LogReading(source, table, selection, state, late_window)
        made.follow(self._log.position, None if complete else changes)
        return made


def _columns(table: Table) -> tuple[Column, ...]:
    own = [column if column.name in table.primary_key else replace(column, nullable=True) for column in table.columns]
    return (*own, *ADDED)


class LogReading(Reading):
    """Rows as they were written, and rows that were removed: of those the key and `_sdc_deleted_at` are known."""

    engine_writes = False

    def follow(self, position: LogPosition, changes: TableChanges | None) -> None:
        """Read `changes`, or everything if there are none to go on from; either leads to `position` of the log."""
        self._position, self._log_changes = position, changes

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

    def _set_apart(self) -> list[dict[str, Any]]:
        """Leave out the rows that don't fit from a complete read. Of the log nothing can be left out: it fails."""
        return super()._set_apart() if self.is_complete else []

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to send; after the last, advance the state."""
        from tap_postgres_arrow import arrow, changed_rows

        own = self.own_columns
        schema = arrow.arrow_schema(self.columns)
        rows = 0
        if self._log_changes is None:
            read = arrow.read(self.source, self.table, own, self.condition)
            batches = changed_rows.from_snapshot(read, schema, self._position.lsn)
        else:
            batches = changed_rows.from_log(self._log_changes, self.source, self.table, own, schema)
        for batch in batches:
            rows += batch.num_rows
            yield batch
        self._state.clear()
        # An empty table leaves no commit that could carry a position: it is read in full until it has rows.
        if rows > 0 or not self.is_complete:
            self._state.update(self._position.to_state())

    def end(self, seen: Key | None) -> None:
        """Nothing: the position in the log is where the run began."""
