"""One Parquet data file of an unpartitioned table, encoded as its rows arrive."""

from __future__ import annotations

import dataclasses
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    DataFileStatistics,
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.typedef import Record
from pyiceberg.types import DateType, TimestampType, TimestamptzType

ROW_GROUP_BYTES = 64 << 20
"""Arrow bytes of a row group; encoded and compressed it is a quarter of that, which is the writer's memory."""
MOST_ROWS_OF_A_GROUP = 1 << 20
UPLOAD_BYTES = 16 << 20
"""Bytes on their way to the store that are not waited for: it takes 10 MiB at once."""
_CODECS = {"uncompressed": "none"}
_TEMPORAL = (DateType, TimestampType, TimestamptzType)
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


class DataFileWriter:
    """Streams batches of one schema to the table's storage, at the path that `name` gets there."""

    def __init__(self, table: Table, name: str, first: pa.RecordBatch) -> None:
        """Open the file. `first` (not yet written) decides encodings and the rows of a row group."""
        if not table.spec().is_unpartitioned():
            raise NotImplementedError(f"table {'.'.join(table.name())} is partitioned; the target writes none such")
        properties = table.properties
        self._table = table
        self.path = location_of(table, name)
        self._output = table.io.new_output(self.path)
        self._stream = self._output.create(overwrite=True)
        self._sent = Sent(self._stream)
        codec = properties.get("write.parquet.compression-codec", "zstd")
        level = properties.get("write.parquet.compression-level")
        self._writer = pq.ParquetWriter(
            cast(IO[Any], self._stream),
            first.schema,
            compression=_CODECS.get(codec, codec),
            compression_level=None if level is None else int(level),
            use_dictionary=dictionary_columns(first),
            store_decimal_as_integer=True,
        )
        row_bytes = max(first.nbytes // max(first.num_rows, 1), 1)
        self._group_rows = max(1, min(ROW_GROUP_BYTES // row_bytes, MOST_ROWS_OF_A_GROUP))

    @property
    def bytes_written(self) -> int:
        """Compressed bytes so far, without those of the open row group."""
        return int(self._stream.tell())

    def write(self, batch: pa.RecordBatch) -> None:
        """Encode rows."""
        self._writer.write_batch(batch, row_group_size=self._group_rows)
        self._sent.wait()

    def close(self) -> DataFile:
        """Finish the file; return its entry for the manifest, with the statistics of its columns."""
        with self._stream:
            self._writer.close()
        schema = sanitize_column_names(self._table.schema())
        plan = compute_statistics_plan(schema, self._table.properties)
        statistics = statistics_of(self._writer.writer.metadata, plan, parquet_path_to_id_mapping(schema))
        return manifest_entry(self._table, self.path, len(self._output), statistics)


def location_of(table: Table, name: str) -> str:
    """Return where the data file `name` of a table is stored."""
    return load_location_provider(table.location(), table.properties).new_data_location(name)


def statistics_of(
    metadata: pq.FileMetaData, plan: dict[int, StatisticsCollector], ids: dict[str, int]
) -> DataFileStatistics:
    """Return the statistics of a file's columns as `plan` wants them. `ids`: column's path → field id.

    Columns of dates and times are left without bounds where Python has no object for one (before 1, after 9999).
    """
    try:
        return data_file_statistics_from_parquet_metadata(metadata, plan, ids)
    except OverflowError:
        temporal = {key for key, each in plan.items() if isinstance(each.iceberg_type, _TEMPORAL)}
        bare = {key: without_bounds(each) if key in temporal else each for key, each in plan.items()}
        return data_file_statistics_from_parquet_metadata(metadata, bare, ids)


def without_bounds(wanted: StatisticsCollector) -> StatisticsCollector:
    """Return the same statistics without bounds."""
    if wanted.mode.type is MetricModeTypes.NONE:
        return wanted
    return dataclasses.replace(wanted, mode=MetricsMode(MetricModeTypes.COUNTS))


def manifest_entry(table: Table, path: str, size: int, statistics: DataFileStatistics) -> DataFile:
    """Return the entry of a data file of `size` bytes in a manifest."""
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
