"""A Parquet file on its way from the tap to the table's storage: everything except its footer passes unchanged."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import compute_statistics_plan
from pyiceberg.manifest import DataFile
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import Table

from target_iceberg.commit.tables import file_schema
from target_iceberg.files.datafile import Place, Sent, location_of, manifest_entry
from target_iceberg.files.footer import MAGIC, TAIL_BYTES, with_field_ids
from target_iceberg.files.partitioning import is_plain
from target_iceberg.files.removal import remove
from target_iceberg.files.statistics import null_count, statistics_of, total
from target_iceberg.messages.pipe import BrokenStreamError

HELD_BYTES, HELD_BYTES_OF_A_COLUMN = 1 << 20, 16 << 10
"""A file's end that is held back, because the footer is among it: about 200 bytes a column and row group. A file whose
footer is larger has too many row groups for its size, and is written anew: see `misfit`."""
READ_ROWS = 65_536
_FIELD_ID = b"PARQUET:field_id"


class Passage:
    """A stored file that is not part of the table yet: `adopt` it, or, as a context, take its `batches`."""

    metadata: pq.FileMetaData
    rows: int

    def __init__(self, table: Table, path: str, number: int, columns: Mapping[str, str]) -> None:
        """Name the file at `path`, the load's `number`th. `columns`: name in the file → name in the table."""
        self._table, self._columns, self.number = table, columns, number
        self.path = path
        self._output = table.io.new_output(self.path)
        fields = {field.name: field.field_id for field in table.schema().fields}
        self._ids = {sent: fields[stored] for sent, stored in columns.items() if stored in fields}

    @classmethod
    def stored(cls, table: Table, path: str, number: int, columns: Mapping[str, str]) -> Self:
        """Return the file that another process has stored at `path`."""
        found = cls(table, path, number, columns)
        found._read_metadata()
        found.rows = found.metadata.num_rows
        return found

    @classmethod
    def store(cls, table: Table, name: str, number: int, chunks: Iterable[bytes], columns: Mapping[str, str]) -> Self:
        """Store what comes in `chunks` as data file `name`.

        Nothing is stored of a file without rows. Raises BrokenStreamError for what is no complete Parquet file.
        """
        found = cls(table, location_of(table, name), number, columns)
        found._store(chunks)
        return found

    def _store(self, chunks: Iterable[bytes]) -> None:
        held = bytearray()
        ready = _holding_back(chunks, held, max(HELD_BYTES, HELD_BYTES_OF_A_COLUMN * len(self._columns)))
        first = next(ready, None)
        if first is None and _metadata(_footer(held, len(held))).num_rows == 0:
            self.metadata, self.rows = _metadata(_footer(held, len(held))), 0
            return
        try:
            with self._output.create(overwrite=True) as stream:
                sent = Sent(stream)
                for chunk in itertools.chain([] if first is None else [first], ready):
                    sent.write(chunk)
                footer = _footer(held, int(stream.tell()) + len(held))
                if footer:
                    changed = with_field_ids(footer, self._ids)
                    self.metadata = _metadata(changed)
                    held[len(held) - TAIL_BYTES - len(footer) :] = changed + len(changed).to_bytes(4, "little") + MAGIC
                stream.write(bytes(held))
            if not footer:
                self._read_metadata()
        except BaseException:
            remove(self._table.io, self.path)
            raise
        self.rows = self.metadata.num_rows

    def _read_metadata(self) -> None:
        with self._output.to_input_file().open() as stream:
            self.metadata = pq.read_metadata(cast(pa.NativeFile, stream))

    @property
    def misfit(self) -> str | None:
        """Why the file can't be part of the table as it is; None if it can."""
        if not is_plain(self._table):
            return "the table is partitioned or sorted"
        fields = _fields(self.metadata)
        if any(_FIELD_ID not in (fields[name].metadata or {}) for name in self._ids if name in fields):
            return "its columns have no field ids: the footer is larger than what is held back of a file"
        stored = {self._columns.get(name): field for name, field in _fields(self.metadata).items()}
        nulls = self._nulls()
        wanted = {field.name: each for field, each in zip(self._table.schema().fields, self._arrow(), strict=True)}
        for name, field in wanted.items():
            if name not in stored:
                if not field.nullable:
                    return f"it lacks the required column {name}"
                continue
            sent = stored[name]
            if sent.type != field.type and not _is_promoted(sent.type, field.type):
                return f"column {name} has type {sent.type}, the table has {field.type}"
            if not field.nullable and nulls[sent.name] != 0:
                return f"column {name}: null in a required column"
        return None

    def adopt(self) -> DataFile:
        """Return the file's entry for a manifest, with the statistics of its columns; bounds in the table's types."""
        plan = compute_statistics_plan(sanitize_column_names(self._table.schema()), self._table.properties)
        statistics = statistics_of(self.metadata, plan, self._ids)
        return manifest_entry(self.path, len(self._output), statistics, Place(self._table.metadata.default_spec_id))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, without the columns that the tap does not send itself."""
        if self.rows == 0:
            return
        names = [name for name in _fields(self.metadata) if name in self._columns]
        with self._output.to_input_file().open() as stream, pq.ParquetFile(cast(pa.NativeFile, stream)) as file:
            yield from file.iter_batches(READ_ROWS, columns=names)

    def discard(self) -> None:
        """Delete the file."""
        if self.rows:
            remove(self._table.io, self.path)

    def __enter__(self) -> Self:
        """Read the file, to delete it then."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the file."""
        self.discard()

    def _arrow(self) -> pa.Schema:
        return file_schema(self._table.schema())

    def _nulls(self) -> dict[str, int | None]:
        """Return the number of nulls of each column of the file; None where the file does not tell."""
        found: dict[str, int | None] = {}
        for number in range(self.metadata.num_columns):
            groups = range(self.metadata.num_row_groups)
            counts = [null_count(self.metadata.row_group(group).column(number)) for group in groups]
            found[self.metadata.schema.column(number).name] = total(counts)
        return found


def receive(
    table: Table,
    files: Sequence[Iterable[bytes]],
    new_file: Callable[[], tuple[str, int]],
    columns: Mapping[str, str],
) -> list[Passage]:
    """Store files that come side by side; if one breaks off, none is kept. `new_file` returns a name and a number."""

    def store(chunks: Iterable[bytes]) -> Passage:
        return Passage.store(table, *new_file(), chunks, columns)

    with ThreadPoolExecutor(len(files), "passage") as threads:
        coming = [threads.submit(store, chunks) for chunks in files]
    if any(each.exception() is not None for each in coming):
        for each in coming:
            if each.exception() is None:
                each.result().discard()
    return [each.result() for each in coming]


def _is_promoted(sent: pa.DataType, table: pa.DataType) -> bool:
    """Whether readers of Iceberg promote the values: int → long, float → double, more digits before the point."""
    if pa.types.is_decimal(sent) and pa.types.is_decimal(table):
        return bool(sent.scale == table.scale and sent.precision < table.precision)
    return (sent, table) in {(pa.int32(), pa.int64()), (pa.float32(), pa.float64())}


def _holding_back(chunks: Iterable[bytes], held: bytearray, most: int) -> Iterator[bytes]:
    """Yield the bytes of `chunks` as they come, but for the last `most`, which are left in `held`."""
    waiting: deque[bytes] = deque()
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        while size - len(waiting[0]) >= most:
            size -= len(waiting[0])
            yield waiting.popleft()
    held += b"".join(waiting)


def _footer(held: bytes | bytearray, size_of_file: int) -> bytes:
    """Return the footer at the end of a file; empty if it is larger than what is held. BrokenStreamError for none."""
    size = int.from_bytes(held[-TAIL_BYTES : -len(MAGIC)], "little")
    if held[-len(MAGIC) :] != MAGIC or size > size_of_file - TAIL_BYTES - len(MAGIC):
        raise BrokenStreamError("the Parquet file ended without its footer: the tap ended before it had sent all rows")
    return bytes(held[-TAIL_BYTES - size : -TAIL_BYTES]) if size <= len(held) - TAIL_BYTES else b""


def _metadata(footer: bytes) -> pq.FileMetaData:
    return pq.read_metadata(pa.BufferReader(MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC))


def _fields(metadata: pq.FileMetaData) -> dict[str, pa.Field]:
    return {field.name: field for field in metadata.schema.to_arrow_schema()}
