"""What a merge changes apart from adding rows: older rows of its keys, and rows that the source deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile

from target_iceberg.files.datafile import Place
from target_iceberg.files.deletes import Keys, equality_deletes, position_deletes
from target_iceberg.files.liverows import rows_of
from target_iceberg.files.part import Layout
from target_iceberg.rows.mode import DELETED_AT, WriteMode
from target_iceberg.rows.types import LOADED_AT


def kept_rows(
    layout: Layout, mode: WriteMode, keys: Keys, bare: Iterable[pa.RecordBatch], *, replaces: bool, now: dt.datetime
) -> Iterator[pa.RecordBatch]:
    """Yield rows that the table holds and that must be written again, in the columns of data files.

    Those are, in a soft deletion that told no more than the key, the rows themselves, now with the time of deletion;
    and after a complete read those that it no longer had: marked as deleted (soft) or as they were (keep).
    """
    marked = layout.files.names[layout.names.index(DELETED_AT)] if mode.deletes == "soft" else None
    gone = keys.gone() if marked is not None else None
    if marked is not None and gone is not None:
        times = pa.Table.from_batches(list(bare)).select([*keys.names, marked])
        latest = times.group_by(keys.names).aggregate([(marked, "max")])
        for rows in rows_of(layout.table, layout.keys, gone, others=False):
            known = pa.Table.from_batches([rows]).drop_columns([marked])
            joined = known.join(latest, keys.names).rename_columns({f"{marked}_max": marked})
            loaded = pa.repeat(pa.scalar(now, layout.files.field(LOADED_AT).type), joined.num_rows)
            joined = joined.set_column(joined.schema.get_field_index(LOADED_AT), LOADED_AT, loaded)
            yield from joined.select(layout.files.names).cast(layout.files).to_batches()
    if not replaces or mode.deletes == "hard":
        return
    read = keys.distinct()
    columns = pa.schema([layout.files.field(name) for name in keys.names])
    for rows in rows_of(layout.table, layout.keys, columns.empty_table() if read is None else read, others=True):
        yield rows if marked is None else _mark(rows, marked, now)


def _mark(rows: pa.RecordBatch, column: str, now: dt.datetime) -> pa.RecordBatch:
    """Set the time of deletion of rows that have none; those are new versions, loaded now."""
    before = rows.column(column)
    time = pa.scalar(now, before.type)
    loaded = rows.column(LOADED_AT)
    changed = {
        column: pc.coalesce(before, time),
        LOADED_AT: pc.if_else(before.is_null(), pa.scalar(now, loaded.type), loaded),
    }
    return pa.RecordBatch.from_arrays(
        [changed.get(name, array) for name, array in zip(rows.schema.names, rows.columns, strict=True)],
        schema=rows.schema,
    )


def delete_files(
    layout: Layout, keys: Keys, files: Mapping[int, DataFile], new_name: Callable[[], str], *, older_rows: bool
) -> list[DataFile]:
    """Write the delete files of a load whose data files are `files`, by number; most loads have one or none.

    Rows that a later one of the same load replaces go by one file a partition.

    `older_rows`: the table keeps rows of older snapshots, which the load's keys replace.
    """
    written = []
    replaced = keys.distinct() if older_rows else None
    if replaced is not None:
        written.append(equality_deletes(layout.table, new_name(), replaced))
    if superseded := keys.superseded():
        places: dict[Place, dict[str, list[int]]] = {}
        for number, positions in superseded.items():
            file = files[number]
            places.setdefault(Place(file.spec_id, file.partition), {})[file.file_path] = positions
        written += [position_deletes(layout.table, new_name(), rows, place) for place, rows in places.items()]
    return written
