"""The output of the tap: rows with all columns of their stream, and records of the rows that can't be sent."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from headwater_tap import apart

from tap_files.rows import ROW, Misfit
from tap_files.store import File
from tap_files.streams import FILE, MODIFIED, FileStream


def conformed(batch: pa.RecordBatch, file: File, schema: pa.Schema) -> pa.RecordBatch:
    """Return a file's rows with all columns of the stream: those that the file lacks are null."""
    rows = batch.num_rows
    added = {FILE: pa.scalar(file.name), MODIFIED: pa.scalar(file.modified_us, pa.int64())}
    arrays = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if field.name in added:
            arrays.append(pa.repeat(added[field.name], rows).cast(field.type))
        else:
            arrays.append(batch.column(index) if index >= 0 else pa.nulls(rows, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def aside(stream: FileStream, file: File, misfit: Misfit) -> dict[str, Any]:
    """Return a row that can't be sent as a record of the stream `quarantine`."""
    place: dict[str, Any] = {FILE: file.name, **({} if misfit.row is None else {ROW: misfit.row})}
    row = {**misfit.text, **place, **({} if misfit.row is None else {MODIFIED: file.modified.isoformat()})}
    # A line that is no row has no key: two of a file would be taken for versions of one row.
    key = {name: row[name] for name in stream.key} if set(stream.key) <= set(row) else {}
    column = misfit.column or "line"
    return apart.record(stream.name, key, row, column=column, reason=misfit.reason, value=misfit.value)
