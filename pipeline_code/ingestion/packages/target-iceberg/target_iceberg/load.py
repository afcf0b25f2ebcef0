"""One load of one table: data files written as rows arrive, one commit at the end."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema, sanitize_column_names

from target_iceberg.datafile import DataFileWriter
from target_iceberg.position import Position, read_position, settled
from target_iceberg.tables import ensure_table, file_schema
from target_iceberg.types import LOADED_AT

ATTEMPTS_TO_REPLACE = 5
"""How often a complete read is committed again after maintenance rewrote files that it replaces."""


class RefusedLoadError(ValidationException):
    """The rows do not continue where the table stands: committing them would double or lose rows."""


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


def file_name(load: int, run_id: str, number: int) -> str:
    """Return the name of a load's data file. It tells the load that it was written for, see orphans.py."""
    return f"load-{load:08d}-{run_id}-{number:05d}.parquet"


class Load:
    """Rows on their way into one table. `commit` or `discard` ends it."""

    def __init__(
        self,
        catalog: Catalog,
        namespace: str,
        name: str,
        *,
        stream: str,
        run_id: str,
        loaded_at: dt.datetime,
        schema: Schema,
        start: dict[str, Any] | None,
    ) -> None:
        """Create or grow the table. `loaded_at` becomes `_loaded_at` of every row.

        `start` is the bookmark that the tap says it reads from; None if it says nothing about that.
        """
        self._catalog, self._namespace, self._name = catalog, namespace, name
        self._stream, self._run_id, self._loaded_at, self._start = stream, run_id, loaded_at, start
        self._seconds = 0.0
        self._files: list[DataFile] = []
        self._opened = 0
        self._writer: DataFileWriter | None = None
        self._outcome_unknown = False
        self.replaces = False
        self._use(schema)
        self._base = read_position(self._table.metadata)
        self._number = 1 if self._base is None else self._base.load + 1

    def evolve(self, schema: Schema) -> None:
        """Grow the table because the stream's schema changed midway; rows so far keep theirs."""
        self._close_file()
        self._use(schema)

    @property
    def number(self) -> int:
        """The load's number, from 1 on; only if it is committed, the table reaches it."""
        return self._number

    @property
    def columns(self) -> pa.Schema:
        """The table's columns, by their own names, in the types that data files have."""
        return pa.schema([field.with_name(name) for name, field in zip(self._names, self._schema, strict=True)])

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows. Columns are matched by name; those missing in `batch` are null."""
        started = time.monotonic()
        conformed = self._conform(batch)
        if self._writer is None:
            name = file_name(self._number, self._run_id, self._opened)
            self._opened += 1
            self._writer = DataFileWriter(self._table, name, conformed)
        self._writer.write(conformed)
        if self._writer.bytes_written >= self._target_bytes:
            self._close_file()
        self._seconds += time.monotonic() - started

    def commit(self, bookmark: dict[str, Any]) -> LoadResult:
        """Make the rows visible in one snapshot that also says where the stream now stands; no rows, no snapshot.

        A load that `replaces` removes all older rows in the same snapshot. A commit of maintenance in between is
        retried; one of another load is not: RefusedLoadError. That is also raised when the tap began elsewhere than
        the table stands.
        """
        started = time.monotonic()
        self._close_file()
        self._check_start()
        position = Position(self._stream, self._number, self._run_id, settled(bookmark))
        for attempt in range(ATTEMPTS_TO_REPLACE):
            try:
                self._commit(position)
                break
            except RefusedLoadError:
                raise
            except ValidationException:  # replaced files were rewritten: look again which there are
                if not self.replaces or attempt == ATTEMPTS_TO_REPLACE - 1:
                    raise
            except CommitFailedException:
                raise
            except Exception:
                self._outcome_unknown = True
                if not self._landed():
                    raise
                break
        current = self._table.current_snapshot()
        return LoadResult(
            table=".".join(self._table.name()),
            rows=sum(file.record_count for file in self._files),
            files=len(self._files),
            bytes=sum(file.file_size_in_bytes for file in self._files),
            snapshot_id=None if current is None else current.snapshot_id,
            seconds=self._seconds + time.monotonic() - started,
        )

    def position(self) -> dict[str, Any] | None:
        """Return the bookmark that the table stands at now; None if only the tap's own state can tell."""
        self._table.refresh()
        position = read_position(self._table.metadata)
        if position is not None:
            return position.bookmark
        # A table without a row, and a tap that says it has read some: the table was dropped.
        return {} if self._start and self._table.current_snapshot() is None else None

    def discard(self) -> None:
        """Delete the data files of a load that is not committed. Where the catalog did not answer they are kept."""
        if self._writer is not None:
            self._files.append(self._writer.close())
            self._writer = None
        if not self._outcome_unknown:
            for file in self._files:
                self._table.io.delete(file.file_path)
        self._files = []

    def restart(self) -> None:
        """Forget the rows so far: the tap reads the stream from its beginning again."""
        self.discard()

    def has_rows(self) -> bool:
        """Whether readers see any row of the table now."""
        snapshot = self._table.current_snapshot()
        total = None if snapshot is None or snapshot.summary is None else snapshot.summary.get("total-records")
        return snapshot is not None and total != "0"

    def _check_start(self) -> None:
        """Raise RefusedLoadError if the tap did not begin where the table stands."""
        if self._start is None or self.replaces:
            return
        if self._base is not None:
            stands = self._base.bookmark
        elif self._table.current_snapshot() is None:
            stands = {}
        else:
            return  # filled by others: only the tap's state knows
        if self._start != stands:
            raise RefusedLoadError(
                f"table {'.'.join(self._table.name())} stands at {stands or 'its beginning'}, the tap began at "
                f"{self._start or 'its beginning'}: rows would be doubled or lost. Nothing was committed, and the "
                "state now says what the table says: run again."
            )

    def _check_unmoved(self) -> None:
        """Raise RefusedLoadError if another load was committed since this one began."""
        now = read_position(self._table.metadata)
        if now != self._base:
            other = "none" if now is None else f"{now.load} of run {now.run_id}"
            raise RefusedLoadError(
                f"table {'.'.join(self._table.name())}: two runs at once. This one began after load "
                f"{self._number - 1}, the table's last load is now {other}. Nothing was committed: run again."
            )

    def _commit(self, position: Position) -> None:
        self._table.refresh()
        self._check_unmoved()
        removed = [task.file for task in self._table.scan().plan_files()] if self.replaces else []
        if not (self._files or removed):
            return
        with self._table.transaction() as transaction:
            base_sequence: int = getattr(transaction.table_metadata, "last_sequence_number", 0)  # format 1 has none
            update = transaction.update_snapshot(snapshot_properties=position.summary())
            with update.overwrite() if removed else update.merge_append() as snapshot:
                for file in removed:
                    snapshot.delete_data_file(file)
                for file in self._files:
                    snapshot.append_data_file(file)
                validate = snapshot._validate_concurrency

                def validate_also_position() -> None:
                    self._check_unmoved()
                    validate()

                # pyiceberg calls it before each further attempt, on refreshed metadata.
                snapshot._validate_concurrency = validate_also_position  # type: ignore[method-assign]
            transaction.set_properties(position.table_property(snapshot.snapshot_id, base_sequence))

    def _landed(self) -> bool:
        """Whether the table says that this load was committed, although the answer to the commit was lost."""
        self._table.refresh()
        now = read_position(self._table.metadata)
        return now is not None and (now.load, now.run_id) == (self._number, self._run_id)

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

    def _close_file(self) -> None:
        if self._writer is not None:
            self._files.append(self._writer.close())
            self._writer = None
