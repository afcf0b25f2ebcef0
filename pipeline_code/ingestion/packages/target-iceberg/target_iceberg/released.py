"""The snapshot that brings rows of the quarantine into their table. It is no load: the stream's position stays."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid

import pyarrow as pa
from pyiceberg.table import Table

from target_iceberg.deletes import Keys
from target_iceberg.merge import delete_files, kept_rows
from target_iceberg.mode import WriteMode
from target_iceberg.part import Layout, Part
from target_iceberg.position import Position, read_position, summary_of
from target_iceberg.publish import RefusedLoadError
from target_iceberg.removal import remove
from target_iceberg.snapshot import Attempt, Change, LoadSnapshot, commit

REPLAYED = "headwater.replayed"
"""In the summary of a snapshot: the quarantine's snapshot whose rows it holds, for the replay after one that died."""


def write(table: Table, rows: pa.RecordBatch, mode: WriteMode, *, replayed: str, position: Position | None) -> None:
    """Append or merge rows in one snapshot, as a load in that mode does; nothing if an earlier replay did it.

    `replayed` is the quarantine's snapshot that they come from, `position` where the stream stood when they were
    chosen: RefusedLoadError if it has been loaded since, as then newer versions may be there.
    """
    table.refresh()
    if _done(table, replayed):
        return
    written: list[str] = []
    change = _change(table, rows, mode, written)

    def attempt() -> Attempt | None:
        if read_position(table.metadata) != position:
            raise RefusedLoadError(
                f"table {'.'.join(table.name())} was loaded while rows of the quarantine were being released. Nothing "
                "was changed: replay again."
            )
        if _done(table, replayed):
            return None
        return Attempt.of(LoadSnapshot(table.transaction(), change, {REPLAYED: replayed}, staged=False))

    try:
        commit(table, attempt, lambda: _done(table, replayed))
    except RefusedLoadError:
        for path in written:
            remove(table.io, path)
        raise


def _change(table: Table, rows: pa.RecordBatch, mode: WriteMode, written: list[str]) -> Change:
    """Write the files; note in `written` where they are."""
    # Named for no load: their number says nothing, and orphans.py must not judge them by one.
    names = (f"replay-{uuid.uuid4()}-{number:05d}" for number in itertools.count())
    numbers = itertools.count()
    identifiers = table.schema().identifier_field_names()
    fields = [field.name for field in table.schema().fields if field.name in identifiers]
    layout, now = Layout.of(table, tuple(fields)), dt.datetime.now(dt.UTC)
    keys = Keys(layout.key_columns) if mode.merges else None

    def new_file() -> tuple[str, int]:
        return f"{next(names)}.parquet", next(numbers)

    parts = [Part(layout, mode, now, keys, new_file)]
    parts[0].write(rows)
    parts[0].close()
    deletes = []
    if keys is not None:
        parts.append(Part(layout, mode, now, None, new_file))
        for known in kept_rows(layout, mode, keys, parts[0].bare_deletions, replaces=False, now=now):
            parts[1].put(known)
        parts[1].close()
        files = {number: file for part in parts for number, file in part.files.items()}
        deletes = delete_files(layout, keys, files, lambda: f"{next(names)}-deletes.parquet", older_rows=True)
    data = tuple(file for part in parts for file in part.files.values())
    written += [file.file_path for file in (*data, *deletes)]
    return Change(data, tuple(deletes))


def _done(table: Table, replayed: str) -> bool:
    """Whether an earlier replay has written these rows and died before it took them out of the quarantine."""
    return any(summary_of(each).get(REPLAYED) == replayed for each in table.metadata.snapshots)
