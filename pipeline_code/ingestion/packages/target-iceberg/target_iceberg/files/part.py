"""A part of a load, with its own data files. Parts may be filled in parallel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import Table

from target_iceberg.commit.tables import file_schema
from target_iceberg.files.clustering import BUFFER_BYTES, Clustering, Held
from target_iceberg.files.datafile import DataFileWriter, Place
from target_iceberg.files.deletes import Keys
from target_iceberg.files.partitioning import is_plain
from target_iceberg.files.removal import remove
from target_iceberg.rows.mode import DELETED_AT, WriteMode
from target_iceberg.rows.types import LOADED_AT

MOST_FILES = 10_000
"""Files that a part of a load may cut its rows into: more are a partition too fine, and slow for every reader."""
_ARRIVAL = "headwater arrival"


class UnbalancedError(ValueError):
    """The rows that came are not those that are stored, set aside or removed: nothing of the load may be shown."""

    def __init__(self, name: str, came: int, found: Mapping[str, int]) -> None:
        """Say of what `name` so many rows came, and where how many of them were found."""
        told = ", ".join(f"{count} {where}" for where, count in found.items())
        super().__init__(
            f"{name}: {came} rows came, found are {told}. Nothing was committed. This is a fault of target-iceberg, "
            "not of the source: please report it with this line"
        )


def file_name(load: int, run_id: str, number: int, kind: str = "") -> str:
    """Return the name of a load's data or delete file. It tells the load that it was written for, see orphans.py."""
    return f"load-{load:08d}-{run_id}-{number:05d}{kind}.parquet"


@dataclass(frozen=True)
class Layout:
    """The columns of a table: by their own names, and as data files have them; its key's; bytes of a full file.

    `clustering` is None where a file may hold any rows; its place in the table is then `place`.
    """

    table: Table
    names: tuple[str, ...]
    files: pa.Schema
    keys: tuple[str, ...]
    target_bytes: int
    place: Place
    clustering: Clustering | None

    @classmethod
    def of(cls, table: Table, keys: tuple[str, ...]) -> Layout:
        """Return the layout that a table has now. Names in files may be encoded by sanitize_column_names."""
        target_bytes = int(table.properties.get("write.target-file-size-bytes", 256 << 20))
        names = tuple(field.name for field in table.schema().fields)
        clustering = None if is_plain(table) else Clustering.of(table)
        files = file_schema(sanitize_column_names(table.schema()))
        return cls(table, names, files, keys, target_bytes, Place(table.spec().spec_id), clustering)

    @property
    def columns(self) -> pa.Schema:
        """The columns by their own names, in the types that data files have."""
        return pa.schema([field.with_name(name) for name, field in zip(self.names, self.files, strict=True)])

    @property
    def key_columns(self) -> list[str]:
        """The key columns as data files call them."""
        return [self.files.names[self.names.index(name)] for name in self.keys]

    def conform(self, batch: pa.RecordBatch, loaded_at: dt.datetime) -> pa.RecordBatch:
        """Return a batch with the table's columns: matched by name, null where `batch` lacks one."""
        arrays = []
        for name, field in zip(self.names, self.files, strict=True):
            if name == LOADED_AT:
                array = pa.repeat(pa.scalar(loaded_at, field.type), batch.num_rows)
            elif (index := batch.schema.get_field_index(name)) >= 0:
                array = batch.column(index).cast(field.type)
            else:
                array = pa.nulls(batch.num_rows, field.type)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.files)

    def check(self, rows: pa.RecordBatch) -> None:
        """Raise ValueError for a null in a required column."""
        for name, field, array in zip(self.names, self.files, rows.columns, strict=True):
            if array.null_count and not field.nullable:
                raise ValueError(f"table {'.'.join(self.table.name())}, column {name}: null in a required column")

    def deleted(self, rows: pa.RecordBatch) -> pa.Array | None:
        """Return which rows are deletions; None if none is."""
        if DELETED_AT not in self.names:
            return None
        times = rows.column(self.names.index(DELETED_AT))
        return times.is_valid() if times.null_count < len(times) else None

    def bare(self, rows: pa.RecordBatch) -> pa.Array:
        """Return which rows hold nothing but their key: a source that says of a deletion no more than that."""
        told = {*self.keys, LOADED_AT}
        masks = [
            column.is_null()
            for name, column in zip(self.names, rows.columns, strict=True)
            if name not in told and not name.startswith("_sdc_")
        ]
        bare = masks[0] if masks else pa.repeat(False, rows.num_rows)
        for mask in masks[1:]:
            bare = pc.and_(bare, mask)
        return bare


class Part:
    """Writes rows into data files; notes their keys where rows replace older ones.

    `new_name` returns a file's name and number in the load, and is safe to call from several threads.
    """

    def __init__(
        self, layout: Layout, mode: WriteMode, loaded_at: dt.datetime, keys: Keys | None,
        new_name: Callable[[], tuple[str, int]],
    ) -> None:  # fmt: skip
        """Begin without a file."""
        self._layout, self._mode, self._loaded_at, self._keys, self._new_name = layout, mode, loaded_at, keys, new_name
        self._writer: DataFileWriter | None = None
        self._number, self._rows = 0, 0
        self.stored, self.removed = 0, 0
        """Rows that were put into files; rows that only said which rows are gone."""
        self._held = None if layout.clustering is None else Held(layout.clustering)
        self.files: dict[int, DataFile] = {}
        self.bare_deletions: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows of the stream; in a merge, deletions go the way that the mode says."""
        rows = self._layout.conform(batch, self._loaded_at)
        deleted = self._layout.deleted(rows) if self._keys is not None else None
        if deleted is None or self._keys is None:
            self.put(rows)
            return
        # In the order of arrival: the last event of a key counts.
        for start, end, is_deleted in _runs(deleted):
            piece = rows.slice(start, end - start)
            if is_deleted:
                self._delete(piece, self._keys)
            else:
                self.put(piece)

    def _delete(self, rows: pa.RecordBatch, keys: Keys) -> None:
        match self._mode.deletes:
            case "hard":
                keys.deleted(rows)
                self.removed += rows.num_rows
            case "soft":
                bare = self._layout.bare(rows)
                keys.deleted(rows.filter(bare))
                self.bare_deletions.append(rows.filter(bare))
                self.removed += self.bare_deletions[-1].num_rows
                self.put(rows.filter(pc.invert(bare)))
            case _:
                self.removed += rows.num_rows  # `keep`: the row stays as it was

    def put(self, rows: pa.RecordBatch) -> None:
        """Add rows that have the table's columns already."""
        if rows.num_rows == 0:
            return
        self._layout.check(rows)
        arrival = None if self._keys is None else self._keys.arrive(rows.num_rows)
        if self._held is None:
            self._write(rows, arrival, self._layout.place)
            return
        self._held.add(rows if arrival is None else rows.append_column(_ARRIVAL, arrival))
        if self._held.is_full:
            self._write_held(self._held, everything=False)

    def _write_held(self, held: Held, *, everything: bool) -> None:
        """Write files of those rows whose turn it is."""
        for place, batches in held.take(everything=everything):
            for rows in batches:
                arrival = None if self._keys is None else rows.column(_ARRIVAL)
                self._write(rows.select(self._layout.files.names), arrival, place)
            self._finish()

    def _write(self, rows: pa.RecordBatch, arrival: pa.Array | None, place: Place) -> None:
        if self._writer is None:
            if self._held is not None and len(self.files) >= MOST_FILES:
                raise ValueError(_too_many_files(self._layout.table))
            name, self._number = self._new_name()
            self._rows = 0
            self._writer = DataFileWriter(self._layout.table, name, rows, place)
        if self._keys is not None and arrival is not None:
            self._keys.written(rows, arrival, self._number, self._rows)
        self._writer.write(rows)
        self._rows += rows.num_rows
        self.stored += rows.num_rows
        if self._writer.bytes_written >= self._layout.target_bytes:
            self._finish()

    def adopt(self, number: int, file: DataFile) -> None:
        """Add a file that is stored already."""
        self.files[number] = file
        self.stored += file.record_count

    def close(self) -> None:
        """Write what is held, finish the open file. UnbalancedError where one does not hold what was put into it."""
        if self._held is not None:
            self._write_held(self._held, everything=True)
        self._finish()

    def _finish(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self.files[self._number] = file = writer.close()
            if file.record_count != self._rows:
                raise UnbalancedError(self._layout.table.name()[-1], self._rows, {file.file_path: file.record_count})

    def leave(self, paths: Container[str]) -> None:
        """Take files out that are not its own any more: they are not to be deleted with it."""
        self.files = {number: file for number, file in self.files.items() if file.file_path not in paths}

    def abandon(self) -> None:
        """Delete the open file and all others."""
        if self._held is not None:
            self._held.drop()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.abandon()
        for file in self.files.values():
            remove(self._layout.table.io, file.file_path)
        self.files = {}


def _too_many_files(table: Table) -> str:
    return (
        f"table {'.'.join(table.name())}: the load would write more than {MOST_FILES} files, because each "
        f"{BUFFER_BYTES >> 20} MiB of its rows are in so many partitions. Nothing was committed: say a coarser "
        "`partition` in the contract (month in place of day, fewer buckets), or none"
    )


def _runs(mask: pa.Array) -> list[tuple[int, int, bool]]:
    """Return (start, end, value) of the runs of equal values."""
    encoded = pc.run_end_encode(mask)
    runs, start = [], 0
    for end, value in zip(encoded.run_ends.to_pylist(), encoded.values.to_pylist(), strict=True):
        runs.append((start, end, value))
        start = end
    return runs
