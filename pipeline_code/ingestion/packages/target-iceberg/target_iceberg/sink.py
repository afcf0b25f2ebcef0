"""A stream's rows, from Singer messages to the load of its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq
from singer_sdk.helpers._batch import BaseBatchFileEncoding
from singer_sdk.sinks import BatchSink

from target_iceberg import pipe
from target_iceberg.mode import DELETED_AT

if TYPE_CHECKING:
    from target_iceberg.target import TargetIceberg

READ_ROWS = 65_536
"""Rows of a batch file that are held at a time."""


class IcebergSink(BatchSink):
    """Hands records and batch files on to the stream's intake; the target commits its load at the end of input."""

    MAX_SIZE_DEFAULT = 50_000

    def __init__(
        self, target: TargetIceberg, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Create or grow the table at once, so that a stream without rows has its table too."""
        super().__init__(target=target, stream_name=stream_name, schema=schema, key_properties=key_properties)
        self.intake = target.intake_for(stream_name, self.schema, self.key_properties)

    def _parse_timestamps_in_record(self, record: dict[Any, Any], schema: dict[Any, Any], treatment: Any) -> None:
        """Leave it to the intake, which sets rows aside: the SDK would end the run at a date that is none."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Write the collected records."""
        if records := context.get("records"):
            self.intake.write_records(records)

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Write the rows of batch files; local ones are deleted once read. JSONL goes through the record path.

        `parquet` are files, `arrow` are Arrow IPC streams: a named pipe that the tap still writes, or a file.
        """
        if encoding.format not in {"arrow", "parquet"}:
            super().process_batch_files(encoding, files)
            return
        for url in files:
            path = _local_path(url)
            rows = 0
            for batch in pipe.read(path) if encoding.format == "arrow" else _rows_of(path):
                self.intake.write(batch)
                rows += batch.num_rows
            self.record_counter_metric.increment(rows)
            self.tally_record_written(rows)
            path.unlink(missing_ok=True)

    def activate_version(self, new_version: int) -> None:  # noqa: ARG002
        """Replace the table's rows by those of this run: the tap announced a complete read."""
        self.intake.replace()

    # Not the SDK's: it drops the source's `_sdc_deleted_at` with the metadata that it would add itself.

    def _remove_sdc_metadata_from_schema(self) -> None:
        column = self.schema["properties"].get(DELETED_AT)
        super()._remove_sdc_metadata_from_schema()
        if column is not None:
            self.schema["properties"][DELETED_AT] = column

    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        time = record.get(DELETED_AT)
        super()._remove_sdc_metadata_from_record(record)
        if time is not None:
            record[DELETED_AT] = time


def _rows_of(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, memory_map=True) as file:
        yield from file.iter_batches(READ_ROWS)


def _local_path(url: str) -> Path:
    parts = urlparse(url)
    if parts.scheme not in {"", "file"}:
        raise ValueError(f"BATCH file {url}: only local files (file:///…) can be read")
    return Path(unquote(parts.path))
