"""Rows of a merged table, by key: rows that a complete read no longer has, or that a deletion refers to.

pyiceberg does not read tables with equality deletes. So this module first reads the key columns and applies the
deletes. Then it reads in full only the data files that hold a requested row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntry
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table import FileScanTask, ManifestGroupPlanner, Table

from target_iceberg.commit.tables import file_schema

_PLACE = "headwater place"


def rows_of(table: Table, names: Sequence[str], keys: pa.Table, *, others: bool) -> Iterator[pa.RecordBatch]:
    """Yield the table's live rows whose key is in `keys`; with `others`, all but those.

    Columns are as data files have them. `names` are the key columns as the table calls them, `keys` has them as data
    files do.
    """
    snapshot = table.current_snapshot()
    if snapshot is None:
        return
    manifests = snapshot.manifests(table.io)
    entries = [entry for manifest in manifests for entry in manifest.fetch_manifest_entry(table.io)]
    sequence = {entry.data_file.file_path: entry.sequence_number or 0 for entry in entries}
    key_schema = Schema(*(table.schema().find_field(name) for name in names))
    columns = file_schema(sanitize_column_names(key_schema))
    wanted = _unique(keys.cast(columns))
    deletes = [
        (entry, _read(table, key_schema, FileScanTask(entry.data_file), columns))
        for entry in entries
        if entry.data_file.content == DataFileContent.EQUALITY_DELETES
    ]
    everything = file_schema(sanitize_column_names(table.schema()))
    planner = ManifestGroupPlanner(table.metadata, table.io)
    for task in planner.plan_files(
        manifests, lambda entry: entry.data_file.content != DataFileContent.EQUALITY_DELETES
    ):
        # Position deletes are applied by pyiceberg, in both reads alike.
        present = _read(table, key_schema, task, columns)
        places = present.append_column(_PLACE, pa.array(range(present.num_rows), pa.int64()))
        found = places.join(wanted, columns.names, join_type="left anti" if others else "left semi")
        newer = [part for entry, part in deletes if _reaches(table, entry, sequence[task.file.file_path], task.file)]
        if newer and found.num_rows:
            found = found.join(_unique(pa.concat_tables(newer)), columns.names, join_type="left anti")
        if found.num_rows:
            yield from _at(_scan(table, table.schema(), task), found.sort_by(_PLACE).column(_PLACE), everything)


def _reaches(table: Table, deletes: ManifestEntry, sequence: int, file: DataFile) -> bool:
    """Whether equality deletes are for a data file: an older one, and of their partition where they have one."""
    if (deletes.sequence_number or 0) <= sequence:
        return False
    spec_id, partition = deletes.data_file.spec_id, deletes.data_file.partition
    return table.specs()[spec_id].is_unpartitioned() or (spec_id, partition) == (file.spec_id, file.partition)


def _scan(table: Table, schema: Schema, task: FileScanTask) -> Iterator[pa.RecordBatch]:
    return ArrowScan(table.metadata, table.io, schema, AlwaysTrue()).to_record_batches([task])


def _read(table: Table, schema: Schema, task: FileScanTask, columns: pa.Schema) -> pa.Table:
    batches = [_as(batch, columns) for batch in _scan(table, schema, task)]
    return pa.Table.from_batches(batches, columns)


def _at(batches: Iterator[pa.RecordBatch], places: pa.ChunkedArray, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows at `places`, ascending, counted from the first row of the first batch."""
    start = 0
    for batch in batches:
        end = start + batch.num_rows
        here = places.filter(pc.and_(pc.greater_equal(places, start), pc.less(places, end)))
        if len(here):
            yield _as(batch.take(pc.subtract(here, start).combine_chunks()), columns)
        start = end


def _as(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    arrays = [array.cast(field.type) for array, field in zip(batch.columns, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _unique(keys: pa.Table) -> pa.Table:
    return keys.group_by(keys.column_names).aggregate([]).select(keys.column_names)
