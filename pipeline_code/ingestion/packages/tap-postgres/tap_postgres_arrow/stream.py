"""One table as a stream of the Singer SDK: for records, stream maps and whatever else the SDK brings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headwater_tap.sdk import plain, selected, write_apart
from headwater_tap.selection import FULL_TABLE, LOG_BASED
from singer_sdk import Stream
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_postgres_arrow import bulk, catalog
from tap_postgres_arrow.reading import Reading, can_be_loaded

if TYPE_CHECKING:
    from tap_postgres_arrow.source import Source, Table
    from tap_postgres_arrow.tap import TapPostgresArrow


class PostgresStream(Stream):
    """Sends one table inside the run's snapshot, read by `Reading`."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # values come out of Arrow in their exact type

    def __init__(self, tap: TapPostgresArrow, source: Source, table: Table) -> None:
        """Describe `table`; its replication key is the configured column, where the table has it."""
        self._source = source
        self._table = table
        self._positions = tap.positions
        self._postgres = tap
        self._is_followed = tap.followed is not None and tap.followed.has(table)
        super().__init__(tap, schema=catalog.json_schema(table), name=table.stream)
        self.primary_keys = list(table.primary_key)
        if self._is_followed:
            self.forced_replication_method = LOG_BASED
        else:
            self.replication_key = catalog.replication_key(table, tap.config["replication_key"])

    # Singer hooks

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """Bookmarks are capped by the source's own clock, see boundary.advanced."""

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Rows come unsorted: no single record moves the bookmark."""

    def leave_out(self) -> None:
        """Deselect the stream if it can't be loaded."""
        if not can_be_loaded(self._table, selected(self)):
            self.selected = False

    def announce(self) -> None:
        """Say in the state that the stream is to be read, and from where; the tap sends it before the first stream."""
        self._reading().begin(self._positions.get(self.name))

    def _write_schema_message(self) -> None:
        reading = self._reading()
        super()._write_schema_message()
        full_table = self.replication_method == FULL_TABLE
        if not full_table and reading.is_complete and self.emit_activate_version_messages:
            # The first read is a complete one, as FULL_TABLE always is: it replaces what the target holds.
            self._stream_version = self._initialized_at // 1000
            self._write_activate_version_message(self._stream_version)

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield rows as JSON-ready dictionaries: numbers as Decimal, dates and times in ISO 8601."""
        reading = self._reading()
        for batch in reading.complete(reading.batches, self._write_apart, self._write_attempt):
            for row in batch.to_pylist():
                yield plain(row)
        self.state_manager.is_flushed = False

    def get_batches(
        self,
        batch_config: BatchConfig,  # noqa: ARG002 - the same, in the SDK's class
        context: Any = None,  # noqa: ARG002
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """Yield what holds the rows, see bulk.hand_over."""
        reading = self._reading()
        for layout, manifest in reading.complete(
            lambda: bulk.hand_over(reading, self.config["batch_config"], self.config["readers"]),
            self._write_apart,
            self._write_attempt,
        ):
            yield BaseBatchFileEncoding(format=layout), manifest
        self.state_manager.is_flushed = False

    def _write_apart(self, message: dict[str, Any]) -> None:
        write_apart(self._postgres, message)

    def _write_attempt(self) -> None:
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _reading(self) -> Reading:
        window = dt.timedelta(seconds=self.config["late_window_seconds"])
        make = self._postgres.followed_from_here.reading if self._is_followed else Reading
        return make(self._source, self._table, selected(self), self.stream_state, window)
