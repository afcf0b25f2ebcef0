"""The snapshot that moves rows of the quarantine into their table. It is not a load: the stream's position stays."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import uuid
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table
from pyiceberg.table.snapshots import ancestors_of

from target_iceberg.commit.merge import delete_files, kept_rows
from target_iceberg.commit.progress import RefusedLoadError
from target_iceberg.commit.snapshot import Attempt, Change, commit
from target_iceberg.files.deletes import Keys
from target_iceberg.files.part import Layout, Part
from target_iceberg.files.removal import remove
from target_iceberg.pyiceberg_private import LoadSnapshot
from target_iceberg.rows.mode import WriteMode
from target_iceberg.state.position import Position, read_position, summary_of

REPLAYED = "headwater.replayed"
"""In the summary of a snapshot: the rows of the quarantine that it holds, for the replay after one that died."""
MOST_ROWS = 10_000
"""Of one snapshot: its summary takes 17 bytes for each, and stays in the table's metadata until it expires."""


def identity(row: Mapping[str, Any]) -> str:
    """Return what a row of the quarantine is called in a summary: the same for the same row of the same load."""
    told = json.dumps([row[name] for name in ("stream", "load", "run_id", "key", "column", "row")])
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def released(table: Table) -> set[str]:
    """Return the rows that replays have brought into the table as it is now: a rollback takes them out again."""
    found = (summary_of(each).get(REPLAYED, "") for each in ancestors_of(table.current_snapshot(), table.metadata))
    return {name for names in found for name in names.split()}


def write(
    table: Table, rows: pa.RecordBatch, mode: WriteMode, *, names: Collection[str], position: Position | None
) -> None:
    """Append or merge rows in one snapshot, as a load in that mode does.

    `names` are their identities, `position` is where the stream stood when they were chosen: RefusedLoadError if it
    has been loaded since, as then newer versions may be there, or if another replay has brought one of them.
    """
    written: list[str] = []
    change = _change(table, rows, mode, written)

    def attempt() -> Attempt:
        if read_position(table.metadata) != position:
            raise RefusedLoadError(
                f"table {'.'.join(table.name())} was loaded while rows of the quarantine were being released. Nothing "
                "was changed: replay again."
            )
        if released(table).intersection(names):
            raise RefusedLoadError(f"table {'.'.join(table.name())}: two replays at once. Nothing was changed.")
        summary = {REPLAYED: " ".join(sorted(names))}
        return Attempt.of(LoadSnapshot(table.transaction(), change, summary, staged=False))

    try:
        commit(table, attempt, lambda: released(table).issuperset(names))
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
