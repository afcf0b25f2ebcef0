"""One load of one table: data files written as rows arrive, one commit at the end."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import ParquetFormatWriter
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.typedef import Record

from target_iceberg.tables import ensure_table, file_schema
from target_iceberg.types import LOADED_AT

ROW_GROUP_BYTES = 64 << 20
"""Arrow bytes that are collected before a row group is written: the load's memory."""


@dataclass(frozen=True)
class LoadResult:
    """What a load did: rows and data files added, the snapshot that readers see now (None for an empty table).

    `seconds` are spent writing and committing, not waiting for rows.
    """

    table: str
    rows: int
    files: int
    bytes: int
    snapshot_id: int | None
    seconds: float


class Load:
    """Rows on their way into one table. `commit` or `discard` ends it."""

    def __init__(self, catalog: Catalog, namespace: str, name: str, loaded_at: dt.datetime, schema: Schema) -> None:
        """Create or grow the table. `loaded_at` becomes `_loaded_at` of every row."""
        self._catalog, self._namespace, self._name = catalog, namespace, name
        self._loaded_at = loaded_at
        self._seconds = 0.0
        self._files: list[DataFile] = []
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._writer: _DataFileWriter | None = None
        self._committing = False
        self.replaces = False
        self._use(schema)

    def evolve(self, schema: Schema) -> None:
        """Grow the table because the stream's schema changed midway; rows so far keep theirs."""
        self._close_file()
        self._use(schema)

    @property
    def columns(self) -> pa.Schema:
        """The table's columns, by their own names, in the types that data files have."""
        return pa.schema([field.with_name(name) for name, field in zip(self._names, self._schema, strict=True)])

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows. Columns are matched by name; those missing in `batch` are null."""
        started = time.monotonic()
        conformed = self._conform(batch)
        self._pending.append(conformed)
        self._pending_bytes += conformed.nbytes
        if self._pending_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()
        self._seconds += time.monotonic() - started

    def commit(self, properties: dict[str, str]) -> LoadResult:
        """Make the rows visible in one snapshot with `properties` in its summary; no rows, no snapshot.

        A load that `replaces` removes all older rows in the same snapshot. A conflict with another writer is tried
        again by pyiceberg (10 times, see TABLE_PROPERTIES), which also recognises a commit whose answer was lost.
        """
        started = time.monotonic()
        self._close_file()
        removed: list[DataFile] = []
        if self.replaces:
            self._table.refresh()
            removed = [task.file for task in self._table.scan().plan_files()]
        if self._files or removed:
            self._committing = True
            with self._table.transaction() as transaction:
                update = transaction.update_snapshot(snapshot_properties=properties)
                with update.overwrite() if removed else update.merge_append() as snapshot:
                    for file in removed:
                        snapshot.delete_data_file(file)
                    for file in self._files:
                        snapshot.append_data_file(file)
        current = self._table.current_snapshot()
        return LoadResult(
            table=".".join(self._table.name()),
            rows=sum(file.record_count for file in self._files),
            files=len(self._files),
            bytes=sum(file.file_size_in_bytes for file in self._files),
            snapshot_id=None if current is None else current.snapshot_id,
            seconds=self._seconds + time.monotonic() - started,
        )

    def discard(self) -> None:
        """Delete the data files of a load that was never committed. After a commit was tried they are kept."""
        self._pending, self._pending_bytes = [], 0
        if self._writer is not None:
            self._files.append(self._writer.close())
            self._writer = None
        if not self._committing:
            for file in self._files:
                self._table.io.delete(file.file_path)
        self._files = []

    def _use(self, schema: Schema) -> None:
        self._table = ensure_table(self._catalog, self._namespace, self._name, schema)
        self._schema = file_schema(sanitize_column_names(self._table.schema()))
        # Names in the stream; the file's names may be encoded by sanitize_column_names.
        self._names = [field.name for field in self._table.schema().fields]
        self._target_bytes = int(self._table.properties.get("write.target-file-size-bytes", 256 << 20))

    def _conform(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = []
        for name, field in zip(self._names, self._schema, strict=True):
            if name == LOADED_AT:
                array = pa.repeat(pa.scalar(self._loaded_at, field.type), batch.num_rows)
            elif (index := batch.schema.get_field_index(name)) >= 0:
                array = batch.column(index).cast(field.type)
            else:
                array = pa.nulls(batch.num_rows, field.type)
            if array.null_count and not field.nullable:
                raise ValueError(f"table {'.'.join(self._table.name())}, column {name}: null in a required column")
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _write_row_group(self) -> None:
        if not self._pending:
            return
        if self._writer is None:
            self._writer = _DataFileWriter(self._table)
        self._writer.write(pa.Table.from_batches(self._pending))
        self._pending, self._pending_bytes = [], 0
        if self._writer.bytes_written >= self._target_bytes:
            self._close_file()

    def _close_file(self) -> None:
        self._write_row_group()
        if self._writer is not None:
            self._files.append(self._writer.close())
            self._writer = None


class _DataFileWriter:
    """One Parquet data file of an unpartitioned table, streamed to the table's storage."""

    def __init__(self, table: Table) -> None:
        if not table.spec().is_unpartitioned():
            raise NotImplementedError(f"table {'.'.join(table.name())} is partitioned; the target writes none such")
        location = load_location_provider(table_location=table.location(), table_properties=table.properties)
        self._path = location.new_data_location(f"{uuid.uuid4()}.parquet")
        self._output = table.io.new_output(self._path)
        self._spec_id = table.metadata.default_spec_id
        self._writer = ParquetFormatWriter(self._output, sanitize_column_names(table.schema()), table.properties)

    @property
    def bytes_written(self) -> int:
        """Compressed bytes so far."""
        stream = self._writer._fos
        return 0 if stream is None else int(stream.tell())

    def write(self, table: pa.Table) -> None:
        self._writer.write(table)

    def close(self) -> DataFile:
        statistics = self._writer.close()
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self._path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            file_size_in_bytes=len(self._output),
            sort_order_id=None,
            spec_id=self._spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
