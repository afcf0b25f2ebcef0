"""Which rows a merge replaces: the keys of a load, and the delete files made of them.

An equality delete file lists keys: rows of older snapshots with one of these keys are deleted. Its cost depends on the
size of the change, not of the table; readers pay for it until the table is compacted. If a later row of the same load
replaces a row, both are in the same snapshot, where equality deletes have no effect: the row is deleted by file and
position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import compute_statistics_plan, parquet_path_to_id_mapping
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.types import LongType, NestedField, StringType

from target_iceberg.commit.tables import file_schema
from target_iceberg.files.datafile import MOST_ROWS_OF_A_GROUP, Place
from target_iceberg.files.partitioning import unpartitioned
from target_iceberg.files.statistics import statistics_of

_ORDER, _GONE = "headwater order", "headwater gone"
_POSITIONS = Schema(  # field ids that the Iceberg specification reserves
    NestedField(2147483546, "file_path", StringType(), required=True),
    NestedField(2147483545, "pos", LongType(), required=True),
)
_WHOLE_PATHS = {"write.metadata.metrics.default": "full"}


@dataclass(frozen=True)
class _Event:
    """Keys of rows that are in the `file`-th file from position `first` on, or of deletions, and when each arrived."""

    keys: pa.RecordBatch
    arrival: pa.Array
    file: int | None
    first: int


class Keys:
    """The keys of a load; of a key the event that arrived last counts. Held in memory until the commit."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are the key columns as data files call them."""
        self.names = list(names)
        self._events: list[_Event] = []
        self._arrived = 0

    def arrive(self, rows: int) -> pa.Array:
        """Return the numbers of rows that arrive now, to hand to `written` when they are."""
        start, self._arrived = self._arrived, self._arrived + rows
        return pa.arange(start, self._arrived)

    def written(self, rows: pa.RecordBatch, arrival: pa.Array, file: int, first: int) -> None:
        """Note rows that are in the `file`-th data file from position `first` on."""
        self._events.append(_Event(rows.select(self.names), arrival, file, first))

    def deleted(self, rows: pa.RecordBatch) -> None:
        """Note rows that are gone from the source."""
        if rows.num_rows:
            self._events.append(_Event(rows.select(self.names), self.arrive(rows.num_rows), None, 0))

    def distinct(self) -> pa.Table | None:
        """Return each key once; None if there are none."""
        return self._all().group_by(self.names).aggregate([]) if self._events else None

    def superseded(self) -> dict[int, list[int]]:
        """Return the positions of rows that a later row or deletion of the load replaces, by file."""
        ends = self._last()
        if ends is None:
            return {}
        numbered, last = ends
        replaced = pc.invert(pc.is_in(numbered.column(_ORDER), value_set=last))
        old = pc.indices_nonzero(replaced).to_pylist()
        found: dict[int, list[int]] = {}
        start, index = 0, 0
        for event in self._events:
            end = start + event.keys.num_rows
            while index < len(old) and old[index] < end:
                if event.file is not None:
                    found.setdefault(event.file, []).append(event.first + old[index] - start)
                index += 1
            start = end
        return found

    def gone(self) -> pa.Table | None:
        """Return the keys whose last event is a deletion; None if there are none."""
        if all(event.file is not None for event in self._events):
            return None
        marks = [pa.repeat(event.file is None, event.keys.num_rows) for event in self._events]
        keys = self._all().append_column(_GONE, pa.chunked_array(marks))
        ends = self._last()
        if ends is not None:
            numbered, last = ends
            keys = keys.filter(pc.is_in(numbered.column(_ORDER), value_set=last))
        return keys.filter(pc.field(_GONE)).select(self.names)

    def _last(self) -> tuple[pa.Table, pa.ChunkedArray] | None:
        """Return all keys numbered, and the number of each key's last event; None if no key occurs twice."""
        if not self._events:
            return None
        keys = self._all()
        count = keys.num_rows
        if len(self.names) == 1 and pc.count_distinct(keys.column(0)).as_py() == count:
            return None
        numbered = keys.append_column(_ORDER, pa.chunked_array([event.arrival for event in self._events], pa.int64()))
        last = numbered.group_by(self.names).aggregate([(_ORDER, "max")]).column(f"{_ORDER}_max")
        return None if len(last) == count else (numbered, last)

    def _all(self) -> pa.Table:
        # A key that was widened midway has two types: the wider one holds both.
        return pa.concat_tables(
            [pa.Table.from_batches([event.keys]) for event in self._events], promote_options="permissive"
        )


def equality_deletes(table: Table, name: str, keys: pa.Table) -> DataFile:
    """Write the file that deletes all older rows with one of `keys`, and return its entry for the manifest.

    It is of the spec without a field, for the older row of a key may be in any partition.
    """
    schema = sanitize_column_names(table.schema())
    wanted = file_schema(schema)
    types = pa.schema([wanted.field(column) for column in keys.column_names])
    ordered = keys.cast(types).sort_by([(column, "ascending") for column in keys.column_names])
    ids = [schema.find_field(column).field_id for column in keys.column_names]
    kind = _Kind(DataFileContent.EQUALITY_DELETES, schema, ids, table.properties)
    return _write(table, name, ordered, kind, Place(unpartitioned(table).spec_id))


def position_deletes(table: Table, name: str, rows: Mapping[str, Sequence[int]], place: Place) -> DataFile:
    """Write the file that deletes rows by data file and position; return its entry for the manifest.

    All data files are in the partition that `place` names.
    """
    ordered = sorted((path, position) for path, positions in rows.items() for position in positions)
    columns = [pa.array([path for path, _ in ordered]), pa.array([position for _, position in ordered], pa.int64())]
    deleted = pa.Table.from_arrays(columns, schema=file_schema(_POSITIONS))
    kind = _Kind(DataFileContent.POSITION_DELETES, _POSITIONS, None, _WHOLE_PATHS)
    return _write(table, name, deleted, kind, place)


@dataclass(frozen=True)
class _Kind:
    """What a delete file holds: its content, the schema of its columns, the ids of its key columns, its metrics."""

    content: DataFileContent
    schema: Schema
    equality_ids: list[int] | None
    metrics: Mapping[str, str]


def _write(table: Table, name: str, rows: pa.Table, kind: _Kind, place: Place) -> DataFile:
    path = load_location_provider(table.location(), table.properties).new_data_location(name)
    output = table.io.new_output(path)
    with output.create(overwrite=True) as stream:
        writer = pq.ParquetWriter(cast(IO[Any], stream), rows.schema, compression="zstd", store_decimal_as_integer=True)
        writer.write_table(rows, row_group_size=MOST_ROWS_OF_A_GROUP)
        writer.close()
    plan = compute_statistics_plan(kind.schema, dict(kind.metrics))
    statistics = statistics_of(writer.writer.metadata, plan, parquet_path_to_id_mapping(kind.schema))
    entry = DataFile.from_args(
        content=kind.content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=place.partition,
        file_size_in_bytes=len(output),
        sort_order_id=None,
        equality_ids=kind.equality_ids,
        key_metadata=None,
        **statistics,
    )
    entry.spec_id = place.spec_id
    return entry
