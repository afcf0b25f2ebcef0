"""One Parquet data file, encoded row group by row group as its rows arrive."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, cast
from weakref import WeakSet

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import compute_statistics_plan, parquet_path_to_id_mapping
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.typedef import Record

from target_iceberg.files.removal import remove
from target_iceberg.files.statistics import Floats, statistics_of

logger = logging.getLogger(__name__)

ROW_GROUP_BYTES = 64 << 20
"""Arrow bytes of a row group, and of the rows that all open files together hold until theirs is full."""
MOST_ROWS_OF_A_GROUP = 1 << 20
UPLOAD_BYTES = 16 << 20
"""Bytes on their way to the store that are not waited for: it takes 10 MiB at once."""
_CODECS = {"uncompressed": "none"}
_ENOUGH_TO_JUDGE = 1_000


def dictionary_columns(batch: pa.RecordBatch) -> list[str]:
    """Return the columns worth a dictionary: those whose values repeat in `batch`. All, if it has few rows."""
    if batch.num_rows < _ENOUGH_TO_JUDGE:
        return list(batch.schema.names)
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return [name for name, column in columns if 2 * pc.count_distinct(column).as_py() <= batch.num_rows]


class Sent:
    """Sees to it that a store which is slower than the source is waited for: Arrow keeps what it has not sent."""

    def __init__(self, stream: Any) -> None:
        """Look after `stream`, an output of pyarrow's."""
        self._stream, self._waited_at = stream, 0

    def write(self, data: bytes) -> None:
        """Write, and wait where much is on its way."""
        self._stream.write(data)
        self.wait()

    def wait(self) -> None:
        """Wait until the store has what was written, if that is much."""
        written = int(self._stream.tell())
        if written - self._waited_at >= UPLOAD_BYTES:
            self._stream.flush()
            self._waited_at = written


@dataclass(frozen=True)
class Place:
    """Which rows of a table a file holds: the spec, the values of its fields, the order of the rows (None for none)."""

    spec_id: int
    partition: Record = field(default_factory=Record)
    sort_order_id: int | None = None


class DataFileWriter:
    """Streams batches of one schema to the table's storage, at the path that `name` gets there."""

    def __init__(self, table: Table, name: str, first: pa.RecordBatch, place: Place) -> None:
        """Open the file, for rows of `place`. `first` (not yet written) decides the encodings."""
        properties = table.properties
        self._table, self._place = table, place
        self.path = location_of(table, name)
        self._output = table.io.new_output(self.path)
        self._stream = self._output.create(overwrite=True)
        self._sent = Sent(self._stream)
        codec = properties.get("write.parquet.compression-codec", "zstd")
        level = properties.get("write.parquet.compression-level")
        self._floats = {each.name: Floats() for each in first.schema if pa.types.is_floating(each.type)}
        self._writer = pq.ParquetWriter(
            cast(IO[Any], self._stream),
            first.schema,
            compression=_CODECS.get(codec, codec),
            compression_level=None if level is None else int(level),
            use_dictionary=dictionary_columns(first),
            store_decimal_as_integer=True,
            # DuckDB takes the writer's bounds of floats for those of NaN, too.
            write_statistics=[name for name in first.schema.names if name not in self._floats],
        )
        self._rows: list[pa.RecordBatch] = []
        self.held_bytes = 0
        """Arrow bytes of the rows that wait for their row group to be full."""
        _open.add(self)

    @property
    def bytes_written(self) -> int:
        """Compressed bytes so far, without those of the open row group."""
        return int(self._stream.tell())

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows; they are encoded when they fill a row group, or when other files need the room."""
        for name, floats in self._floats.items():
            floats.add(batch.column(name))
        self._rows.append(batch)
        self.held_bytes += batch.nbytes
        if self.held_bytes >= ROW_GROUP_BYTES or sum(each.num_rows for each in self._rows) >= MOST_ROWS_OF_A_GROUP:
            self.flush()
        while sum(each.held_bytes for each in _open) > ROW_GROUP_BYTES:
            max(_open, key=lambda each: each.held_bytes).flush()

    def flush(self) -> None:
        """Encode the rows that are held as a row group; as several where one batch was far too large for one."""
        rows, size = pa.Table.from_batches(self._rows), self.held_bytes
        self._rows, self.held_bytes = [], 0
        groups = max(1, size // ROW_GROUP_BYTES, -(-rows.num_rows // MOST_ROWS_OF_A_GROUP))
        self._writer.write_table(rows, row_group_size=-(-rows.num_rows // groups))
        self._sent.wait()

    def close(self) -> DataFile:
        """Finish the file; return its entry for the manifest, with the statistics of its columns."""
        _open.discard(self)
        if self._rows:
            self.flush()
        with self._stream:
            self._writer.close()
        schema = sanitize_column_names(self._table.schema())
        plan = compute_statistics_plan(schema, self._table.properties)
        ids = parquet_path_to_id_mapping(schema)
        statistics = statistics_of(self._writer.writer.metadata, plan, ids, self._floats)
        return manifest_entry(self.path, len(self._output), statistics, self._place)

    def abandon(self) -> None:
        """End without the rest of the rows, and delete the file."""
        _open.discard(self)
        self._rows, self.held_bytes = [], 0
        try:
            with self._stream:
                self._writer.close()
        except (OSError, pa.ArrowException) as error:  # what failed before is what the run ends with
            logger.warning("%s was written for nothing and could not be closed: %s", self.path, error)
        remove(self._table.io, self.path)


_open: WeakSet[DataFileWriter] = WeakSet()


def location_of(table: Table, name: str) -> str:
    """Return where the data file `name` of a table is stored."""
    return load_location_provider(table.location(), table.properties).new_data_location(name)


def manifest_entry(path: str, size: int, statistics: Mapping[str, Any], place: Place) -> DataFile:
    """Return the entry of a data file of `size` bytes in a manifest."""
    entry = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=place.partition,
        file_size_in_bytes=size,
        sort_order_id=place.sort_order_id,
        equality_ids=None,
        key_metadata=None,
        **statistics,
    )
    entry.spec_id = place.spec_id
    return entry
