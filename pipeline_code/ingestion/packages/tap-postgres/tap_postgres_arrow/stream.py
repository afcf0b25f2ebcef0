"""One table as a Singer stream: records, or Parquet files or an Arrow stream announced by BATCH messages."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from singer_sdk import Stream
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_postgres_arrow import boundary, handover
from tap_postgres_arrow.columns import Column, arrow_schema

if TYPE_CHECKING:
    from tap_postgres_arrow.source import Source, Table
    from tap_postgres_arrow.tap import TapPostgresArrow

FILE_BYTES = 64 << 20
"""Arrow bytes after which a batch file is closed and announced."""


class PostgresStream(Stream):
    """Reads one table inside the run's snapshot. State advances only when the whole table was read."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # values come out of Arrow in their exact type

    def __init__(self, tap: TapPostgresArrow, source: Source, table: Table) -> None:
        """Describe `table`; its replication key is the configured column, where the table has it."""
        self._source = source
        self._table = table
        self._positions = tap.positions
        properties = {column.name: column.json_schema() for column in table.columns}
        required = [column.name for column in table.columns if not column.nullable]
        schema = {"type": "object", "properties": properties, "required": required}
        super().__init__(tap, schema=schema, name=table.name)
        self.primary_keys = list(table.primary_key)
        wanted = tap.config["replication_key"]
        if any(column.name == wanted and column.can_replicate for column in table.columns):
            self.replication_key = wanted

    # Singer hooks

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """Bookmarks are capped by the source's own clock, see boundary.advanced."""

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Rows come unsorted: no single record moves the bookmark."""

    def _write_schema_message(self) -> None:
        if self.name in self._positions and self.replication_method == "INCREMENTAL":
            # What the target has committed wins over what the last run managed to remember.
            self.stream_state.clear()
            self.stream_state.update(self._positions[self.name])
        # Before anything is sent: a target that finds this marker in the last state knows that the stream was cut off.
        self.stream_state["progress_markers"] = {"Note": "This stream has not been read to its end."}
        self.state_manager.is_flushed = False
        self._write_state_message()
        super()._write_schema_message()
        incremental = self.replication_method == "INCREMENTAL"
        if incremental and self._bookmark() is None and self.emit_activate_version_messages:
            # The first read is a complete one, as FULL_TABLE always is: it replaces what the target holds.
            self._stream_version = self._initialized_at // 1000
            self._write_activate_version_message(self._stream_version)

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield rows as JSON-ready dictionaries: numbers as Decimal, dates and times in ISO 8601."""
        for batch in self._batches():
            for row in batch.to_pylist():
                yield {name: _plain(value) for name, value in row.items()}

    def get_batches(
        self,
        batch_config: BatchConfig,
        context: Any = None,  # noqa: ARG002
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """Yield what holds the rows: Parquet files for any target, or one Arrow stream in a named pipe for ours.

        Files are plain ones of about FILE_BYTES below the configured local folder. The pipe (encoding `arrow`) is
        announced before its first byte: the target reads it while the tap writes.
        """
        root = _local_folder(batch_config.storage.root)
        prefix = batch_config.storage.prefix
        name = f"{prefix if prefix is not None else ''}{self.name}"
        match batch_config.encoding.format:
            case "arrow":
                yield from self._pipe(root, name)
            case "parquet":
                yield from self._files(root, name)
            case other:
                raise ValueError(f"batch_config.encoding.format {other!r}: arrow and parquet are possible")

    def _pipe(self, root: Path, name: str) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        with handover.named_pipe(root / f"{name}-{uuid.uuid4()}.arrow") as path:
            yield BaseBatchFileEncoding(format="arrow"), [path.as_uri()]
            sys.stdout.flush()
            handover.send(path, arrow_schema(self._columns()), self._batches())

    def _files(self, root: Path, name: str) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        schema = arrow_schema(self._columns())
        encoding = BaseBatchFileEncoding(format="parquet")
        writer: pq.ParquetWriter | None = None
        path = root
        written = 0
        try:
            for batch in self._batches():
                if writer is None:
                    path, written = root / f"{name}-{uuid.uuid4()}.parquet", 0
                    # The target reads the file once and deletes it: cheap encoding, no statistics.
                    writer = pq.ParquetWriter(
                        path, schema, compression="lz4", use_dictionary=False, write_statistics=False
                    )
                writer.write_batch(batch)
                written += batch.nbytes
                if written >= FILE_BYTES:
                    writer.close()
                    writer = None
                    yield encoding, [path.as_uri()]
            if writer is not None:
                writer.close()
                writer = None
                yield encoding, [path.as_uri()]
        finally:
            if writer is not None:
                writer.close()
                path.unlink(missing_ok=True)

    # Reading

    def _columns(self) -> tuple[Column, ...]:
        """Return the selected columns, in the source's order."""
        catalogued = self.effective_schema["properties"]
        if gone := set(catalogued) - {column.name for column in self._table.columns}:
            raise ValueError(
                f"{self._table.relation}: the catalog names columns that the table does not have: {sorted(gone)}. "
                "Discover again (meltano run --refresh-catalog)."
            )
        return tuple(
            column
            for column in self._table.columns
            if column.name in catalogued and self.mask.get(("properties", column.name), True)
        )

    def _key_column(self) -> Column | None:
        if self.replication_method != "INCREMENTAL":
            return None
        for column in self._table.columns:
            if column.name == self.replication_key and column.can_replicate:
                return column
        raise ValueError(
            f"{self._table.relation}: replication key {self.replication_key!r} is not an integer, date or timestamp "
            f"column of the table. Its columns: {[column.name for column in self._table.columns]}."
        )

    def _bookmark(self) -> boundary.Bookmark | None:
        column = self._key_column()
        return boundary.bookmark_from_state(self.stream_state, column) if column is not None else None

    def _condition(self, column: Column | None, bookmark: boundary.Bookmark | None) -> str | None:
        if column is None or bookmark is None:
            return None
        snapshot = self._source.snapshot
        if not boundary.is_comparable(bookmark, snapshot):
            self.logger.warning(
                "%s: the source was restored or replaced since the last run (system %s, then %s): "
                "reading by %s alone, rows at the boundary are sent again",
                self._table.relation, snapshot.system, bookmark.system, column.name,
            )  # fmt: skip
        window = dt.timedelta(seconds=self.config["late_window_seconds"])
        return boundary.changed_since(bookmark, snapshot, column, window)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to send; after the last, advance the state and remove the marker of an unfinished read."""
        key, bookmark = self._key_column(), self._bookmark()
        columns = self._columns()
        seen: boundary.Key | None = None
        for batch in self._source.read(self._table, columns, self._condition(key, bookmark)):
            if batch.num_rows == 0:
                continue
            if key is not None:
                greatest = pc.max(batch.column(columns.index(key))).as_py()
                seen = greatest if seen is None else max(seen, greatest) if greatest is not None else seen
            yield batch
        self.stream_state.pop("progress_markers", None)
        if key is not None:
            following = boundary.advanced(bookmark, seen, self._source.snapshot, key)
            if following is not None:
                self.stream_state.update(following.to_state(key.name))
        self.state_manager.is_flushed = False


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value  # datetime is a date


def _local_folder(root: str) -> Path:
    """Return the folder of a file:// URL or plain path, made if missing; ValueError for any other scheme."""
    url = urlparse(root)
    if url.scheme not in {"", "file"}:
        raise ValueError(f"batch_config.storage.root {root!r}: only a local folder (file:///…) can be used")
    folder = Path(unquote(url.path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
