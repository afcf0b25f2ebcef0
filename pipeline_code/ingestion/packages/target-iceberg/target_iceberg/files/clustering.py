"""Collects the rows of a partitioned or sorted table for their files.

A file holds rows of one partition, in the table's sort order. Rows come in any order, so they are held until there are
`BUFFER_BYTES` of them. Then the partitions with the most rows are written, and the rest waits. No file stays open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table
from pyiceberg.table.sorting import NullOrder, SortDirection
from pyiceberg.transforms import Transform, TruncateTransform, UnknownTransform, VoidTransform
from pyiceberg.typedef import Record
from pyiceberg.types import IcebergType

from target_iceberg.files.datafile import Place

BUFFER_BYTES = 128 << 20
"""Arrow bytes of rows that are held; putting them in order takes as much again."""
LOOSE_BATCHES = 1_000
"""So many pieces are put together: of very small ones the frame weighs more than the rows."""
SLICE_ROWS = 65_536


@dataclass(frozen=True)
class _Field:
    """A transform of the column that is the `column`-th of the data files, called `name`."""

    column: int
    name: str
    kind: IcebergType
    transform: Transform[Any, Any]
    direction: str = "ascending"
    nulls_first: bool = True

    def values(self, rows: pa.RecordBatch) -> pa.Array:
        """Return the transformed values, dates and times as numbers."""
        column = rows.column(self.column)
        if isinstance(self.transform, VoidTransform):
            return pa.nulls(rows.num_rows, pa.int32())
        values = self.transform.pyarrow_transform(self.kind)(column)
        if isinstance(self.transform, TruncateTransform) and pa.types.is_integer(values.type):
            self._check(values, column)
        if pa.types.is_date32(values.type):
            return values.cast(pa.int32())
        return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values

    def _check(self, truncated: pa.Array, column: pa.Array) -> None:
        wrong = pc.indices_nonzero(pc.greater(truncated, column))
        if len(wrong):
            raise ValueError(
                f"column {self.name}: {column[wrong[0].as_py()]} can't be partitioned by {self.transform}, which is "
                "below the type's range. Widen the column, or partition by another transform"
            )


@dataclass(frozen=True)
class Cluster:
    """Rows of one file: which of the table's they are, and their numbers in the order in which they are written."""

    place: Place
    numbers: pa.Array


@dataclass(frozen=True)
class Clustering:
    """How rows of a table are cut into partitions and sorted within them."""

    spec_id: int
    partition: tuple[_Field, ...]
    order: tuple[_Field, ...]
    sort_order_id: int | None

    @classmethod
    def of(cls, table: Table) -> Clustering:
        """Return what the table's spec and sort order say. ValueError for a transform that nobody here can compute."""
        sort = table.sort_order()
        for transform in [each.transform for each in table.spec().fields] + [each.transform for each in sort.fields]:
            if isinstance(transform, UnknownTransform):
                raise ValueError(
                    f"table {'.'.join(table.name())} is partitioned or sorted by {transform}, which this target "
                    "does not know; say `partition` and `sort` in its contract"
                )
        places = {field.field_id: number for number, field in enumerate(table.schema().fields)}

        def field(source_id: int, transform: Transform[Any, Any], *order: Any) -> _Field:
            column = table.schema().find_field(source_id)
            return _Field(places[source_id], column.name, column.field_type, transform, *order)

        return cls(
            table.spec().spec_id,
            tuple(field(each.source_id, each.transform) for each in table.spec().fields),
            tuple(
                field(
                    each.source_id,
                    each.transform,
                    "descending" if each.direction == SortDirection.DESC else "ascending",
                    each.null_order == NullOrder.NULLS_FIRST,
                )
                for each in sort.fields
            ),
            sort.order_id if sort.fields else None,
        )

    def clusters(self, rows: pa.RecordBatch) -> list[Cluster]:
        """Return the partitions of `rows`, each in the table's order; rows that are equal in it stay as they came."""
        values = [field.values(rows) for field in self.partition]
        number = _numbered(values, rows.num_rows)
        columns, keys = [number], [("0", "ascending")]
        for field in self.order:
            for column, direction in _sort_keys(field.values(rows), field.direction, field.nulls_first):
                keys.append((str(len(columns)), direction))
                columns.append(column)
        table = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in keys])
        numbers = pc.sort_indices(table, sort_keys=keys)
        found, start = [], 0
        for rows_of_one in _counts(number):
            here = numbers.slice(start, rows_of_one)
            partition = Record(*(each[here[0].as_py()].as_py() for each in values))
            found.append(Cluster(Place(self.spec_id, partition, self.sort_order_id), here))
            start += rows_of_one
        return found


def _numbered(values: Sequence[pa.Array], rows: int) -> pa.Array:
    """Return a number from 0 on for each row: the same where all `values` are."""
    number = pa.array([0], pa.int64()).take(pa.repeat(0, rows)) if not values else None
    for each in values:
        encoded = pc.dictionary_encode(each, null_encoding="encode")
        index = encoded.indices.cast(pa.int64())
        both = index if number is None else pc.add(pc.multiply(number, len(encoded.dictionary)), index)
        number = pc.dictionary_encode(both).indices.cast(pa.int64())
    return number


def _counts(number: pa.Array) -> list[int]:
    """Return how often each number occurs, by number."""
    counted = pc.value_counts(number)
    return [each.as_py() for each in counted.field("counts").take(pc.sort_indices(counted.field("values")))]


def _sort_keys(values: pa.Array, direction: str, nulls_first: bool) -> Iterator[tuple[pa.Array, str]]:
    """Yield the columns by which values sort as Iceberg has it: NaN is the greatest number, nulls are where it says."""
    if values.null_count:
        yield values.is_null(), "descending" if nulls_first else "ascending"
    if pa.types.is_floating(values.type):
        yield pc.fill_null(pc.is_nan(values), False), direction
    yield values, direction


class Held:
    """Rows that wait to be written; `take` returns those whose turn it is."""

    def __init__(self, clustering: Clustering) -> None:
        """Hold none."""
        self._clustering = clustering
        self._batches: list[pa.RecordBatch] = []
        self._loose: list[pa.RecordBatch] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether there are so many rows that some have to be written."""
        return self._bytes >= BUFFER_BYTES

    def add(self, rows: pa.RecordBatch) -> None:
        """Hold rows."""
        self._loose.append(rows)
        self._bytes += rows.nbytes
        if len(self._loose) == LOOSE_BATCHES:
            self._batches.append(pa.concat_batches(self._loose))
            self._loose = []

    def take(self, *, everything: bool) -> Iterator[tuple[Place, Iterator[pa.RecordBatch]]]:
        """Yield each file's place and rows: of the largest partitions until half of the room is free, or of all."""
        if not (self._batches or self._loose):
            return
        rows = pa.concat_batches([*self._batches, *self._loose])
        self.drop()
        row_bytes = max(rows.nbytes // max(rows.num_rows, 1), 1)
        left = rows.num_rows
        clusters = sorted(self._clustering.clusters(rows), key=lambda each: len(each.numbers), reverse=True)
        while clusters and (everything or left * row_bytes > BUFFER_BYTES // 2):
            cluster = clusters.pop(0)
            left -= len(cluster.numbers)
            yield cluster.place, _slices(rows, cluster.numbers)
        if clusters:
            numbers = pa.concat_arrays([each.numbers for each in clusters])
            self.add(rows.take(numbers.take(pc.sort_indices(numbers))))  # in the order in which they came

    def drop(self) -> None:
        """Forget the rows."""
        self._batches, self._loose, self._bytes = [], [], 0


def _slices(rows: pa.RecordBatch, numbers: pa.Array) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(numbers), SLICE_ROWS):
        yield rows.take(numbers.slice(start, SLICE_ROWS))
