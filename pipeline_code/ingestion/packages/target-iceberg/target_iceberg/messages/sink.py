"""A stream's rows, from Singer messages to the load of its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import BaseBatchFileEncoding
from singer_sdk.sinks import BatchSink

from target_iceberg.messages.batches import FORMATS, Batch

if TYPE_CHECKING:
    from target_iceberg.messages.target import TargetIceberg


class IcebergSink(BatchSink):
    """Hands records and batch files on to the stream's intake; the target commits its load at the end of input."""

    MAX_SIZE_DEFAULT = 50_000

    def __init__(
        self, target: TargetIceberg, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Create or grow the table at once, so that a stream without rows has its table too."""
        super().__init__(target=target, stream_name=stream_name, schema=schema, key_properties=key_properties)
        self._target = target
        # Records that came before the schema changed are stored by the schema that they came with.
        target.drain(stream_name)
        self.intake = target.run.intake_for(stream_name, self.schema, self.key_properties)

    def _parse_timestamps_in_record(self, record: dict[Any, Any], schema: dict[Any, Any], treatment: Any) -> None:
        """Leave it to the intake, which sets rows aside: the SDK would end the run at a date that is none."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Write the collected records."""
        if records := context.get("records"):
            self.intake.write_records(records)

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Store what a message announces, see batches.py. JSONL goes through the record path."""
        if encoding.format not in FORMATS:
            super().process_batch_files(encoding, files)
            return
        batch = Batch(encoding.format, files, self.intake.contract, self._target.run.loaded_at)
        rows = batch.store(self.intake)
        self.record_counter_metric.increment(rows)
        self.tally_record_written(rows)

    def activate_version(self, new_version: int) -> None:  # noqa: ARG002
        """Replace the table's rows by those of this run: the tap announced a complete read."""
        self.intake.replace()

    # Not the SDK's: it takes columns that the source has (`_sdc_deleted_at`, `_sdc_batched_at`) for its own.

    def _remove_sdc_metadata_from_schema(self) -> None:
        """Keep them all: none was added here."""

    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep them all."""
