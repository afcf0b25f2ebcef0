"""A Parquet file: it says its types itself."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from headwater_contracts import ColumnType

from tap_files.errors import FilesError
from tap_files.inference import Evidence
from tap_files.rows import READ_ROWS, ROW, Misfit, Piece
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings
from tap_files.store import File, Store
from tap_files.types import arrow_kind, arrow_type


class ParquetFile:
    """One file of a stream."""

    def __init__(self, store: Store, file: File, begins: bytes, settings: StreamSettings, scratch: Scratch) -> None:  # noqa: ARG002
        """Take the file."""
        self.file = file
        self._store = store

    @cached_property
    def _schema(self) -> pa.Schema:
        try:
            with self._store.open(self.file) as stream:
                return pq.read_schema(stream)
        except (OSError, pa.ArrowException) as error:
            raise FilesError(f"{self._store.path}, file {self.file.name} is no readable Parquet: {error}") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._schema.names)

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:  # noqa: ARG002
        """Return the types that the file says."""
        return {field.name: Evidence(kinds={arrow_kind(_plain_type(field.type))}) for field in self._schema}

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield the rows in the types of `kinds`."""
        first = 1
        try:
            with self._store.open(self.file) as stream, pq.ParquetFile(stream) as file:
                for batch in file.iter_batches(READ_ROWS):
                    yield _piece(batch, kinds, first)
                    first += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise FilesError(f"{self._store.path}, file {self.file.name} can't be read: {error}") from error


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _piece(batch: pa.RecordBatch, kinds: Mapping[str, ColumnType], first: int) -> Piece:
    arrays, wrong = [], dict[int, str]()
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        converted, bad = coerced(array, kinds[name])
        arrays.append(converted)
        wrong |= {row: name for row in bad if row not in wrong}
    numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
    rows = pa.RecordBatch.from_arrays([*arrays, numbers], names=[*batch.schema.names, ROW])
    if not wrong:
        return Piece(rows)
    misfits = []
    for row, name in sorted(wrong.items()):
        text = {each: _text(array[row]) for each, array in zip(batch.schema.names, batch.columns, strict=True)}
        misfits.append(Misfit(first + row, name, f"does not fit {kinds[name]}", text[name], text))
    return Piece(rows.filter(pa.array([row not in wrong for row in range(batch.num_rows)])), misfits)


def coerced(array: pa.Array, kind: ColumnType) -> tuple[pa.Array, list[int]]:
    """Return values in another type, null where they can't be had in it unchanged, and the numbers of those rows."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    wanted = arrow_type(kind)
    if kind.name == "text" and not _is_scalar(array.type):
        return pa.array([_text(each) for each in array], wanted), []
    try:
        return pc.cast(array, wanted), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values: list[Any] = []
        wrong = []
        for row, each in enumerate(array):
            try:
                values.append(pc.cast(pa.array([each.as_py()], array.type), wanted)[0].as_py())
            except (pa.ArrowException, ValueError, OverflowError):
                values.append(None)
                wrong.append(row)
        return pa.array(values, wanted), wrong


def _is_scalar(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
                or pa.types.is_fixed_size_binary(kind))  # fmt: skip


def _text(scalar: pa.Scalar) -> str | None:
    """Return a value as text: bytes in base64, what is nested as JSON."""
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):
        return str(scalar)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list | bool) else str(value)
