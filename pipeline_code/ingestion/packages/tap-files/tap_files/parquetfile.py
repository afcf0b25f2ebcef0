"""A Parquet file, which contains its own types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from headwater_contracts import ColumnType

from tap_files import names
from tap_files.errors import FilesError
from tap_files.inference import Evidence
from tap_files.parquetvalues import checked, coerced, far, is_text, plain, plain_type, text
from tap_files.rows import READ_ROWS, ROW, Misfit, Piece
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings
from tap_files.store import File, Store
from tap_files.types import arrow_kind

_NANOSECONDS_US = 9_223_372_036_854_775
"""Microseconds on either side of 1970 that 64 bits of nanoseconds reach."""


class ParquetFile:
    """One file of a stream."""

    has_rows = True
    """Or none: it says its types all the same."""
    notes: tuple[str, ...] = ()
    """It says itself how it is written."""

    def __init__(self, store: Store, file: File, begins: bytes, settings: StreamSettings, scratch: Scratch) -> None:  # noqa: ARG002
        """Take the file."""
        self.file = file
        self._store = store
        self.texts: frozenset[str] = frozenset()
        """Columns of bytes that hold text: of a file whose writer did not mark them so."""

    @contextlib.contextmanager
    def _opened(self, unit: str = "us") -> Iterator[pq.ParquetFile]:
        """Open the file. `unit`: of times that are written in 96 bits, which reach further than nanoseconds do."""
        try:
            with (
                self._store.open(self.file) as stream,
                pq.ParquetFile(stream, coerce_int96_timestamp_unit=unit) as file,
            ):
                yield file
        except (OSError, pa.ArrowException) as error:
            raise FilesError(
                f"{self._store.path}, file {self.file.name} is no readable Parquet: {error}; replace or remove it"
            ) from error

    @cached_property
    def _schema(self) -> pa.Schema:
        """The columns by their own names: distinct, and of bytes those marked that hold an enum's texts."""
        with self._opened() as file:
            found, said = file.schema_arrow, file.schema
            enums = {said.column(n).path for n in range(len(said)) if said.column(n).logical_type.type == "ENUM"}
            self._times = {said.column(n).path for n in range(len(said)) if said.column(n).physical_type == "INT96"}
        fields = [
            pa.field(name, pa.string() if field.name in enums and _is_bytes(field.type) else plain_type(field.type))
            for name, field in zip(names.columns(found.names), found, strict=True)
        ]
        return pa.schema(fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._schema.names)

    @cached_property
    def unmarked(self) -> Mapping[str, bool]:
        """Columns of bytes, and whether all their values are text in UTF-8."""
        chosen = {
            name: True for name, kind in zip(self._schema.names, self._schema.types, strict=True) if _is_bytes(kind)
        }
        if chosen:
            for batch in self._batches():
                for name in [each for each, is_text in chosen.items() if is_text]:
                    chosen[name] = _are_texts(batch.column(self._schema.get_field_index(name)))
        return chosen

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:  # noqa: ARG002
        """Return the types that the file says."""
        return {field.name: Evidence(kinds={arrow_kind(field.type)}) for field in self._schema}

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield the rows in the types of `kinds`."""
        first = 1
        for batch, exact in self._exact_batches():
            try:
                piece = self._piece(batch, exact, kinds, first)
            except pa.ArrowException as error:
                raise FilesError(f"{self._store.path}, file {self.file.name} can't be read: {error}") from error
            yield piece
            first += batch.num_rows

    def _batches(self, unit: str = "us") -> Iterator[pa.RecordBatch]:
        with self._opened(unit) as file:
            yield from file.iter_batches(READ_ROWS)

    def _exact_batches(self) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch | None]]:
        """Yield batches, each with the same in nanoseconds where the file has times of 96 bits."""
        _ = self._schema
        exact = self._batches("ns") if self._times else None
        for batch in self._batches():
            yield batch, None if exact is None else next(exact)

    def _piece(
        self, batch: pa.RecordBatch, exact: pa.RecordBatch | None, kinds: Mapping[str, ColumnType], first: int
    ) -> Piece:
        arrays, wrong = [], dict[int, str]()
        for place, name in enumerate(self.columns):
            array = checked(plain(batch.column(place)))
            if (name in self.texts or is_text(self._schema.field(place).type)) and _is_bytes(array.type):
                converted, bad = _decoded(array, kinds[name])
            else:
                converted, bad = coerced(array, kinds[name])
            if exact is not None and batch.schema.names[place] in self._times:
                bad = sorted({*bad, *_cut(array, exact.column(place))})
            arrays.append(converted)
            wrong |= {row: name for row in bad if row not in wrong}
        numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
        rows = pa.RecordBatch.from_arrays([*arrays, numbers], names=[*self.columns, ROW])
        if not wrong:
            return Piece(rows)
        misfits = []
        for row, name in sorted(wrong.items()):
            said = {each: _said(batch.column(place)[row]) for place, each in enumerate(self.columns)}
            misfits.append(Misfit(first + row, name, f"does not fit {_limits(kinds[name])}", said[name], said))
        return Piece(rows.filter(pa.array([row not in wrong for row in range(batch.num_rows)])), misfits)


def _is_bytes(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view))


def _are_texts(array: pa.Array) -> bool:
    """Whether all values are text in UTF-8, without control characters other than tabs and ends of lines."""
    try:
        found = pc.cast(array, pa.string())
    except pa.ArrowInvalid:
        return False
    return not pc.any(pc.match_substring_regex(found, r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")).as_py()


def _decoded(array: pa.Array, kind: ColumnType) -> tuple[pa.Array, list[int]]:
    """Return bytes as the text that they are, and the rows where they are none."""
    try:
        return coerced(pc.cast(array, pa.string()), kind)
    except pa.ArrowInvalid:
        values, wrong = list[str | None](), list[int]()
        for row, each in enumerate(array.to_pylist()):
            try:
                values.append(None if each is None else each.decode())
            except UnicodeDecodeError:
                values.append(None)
                wrong.append(row)
        found, more = coerced(pa.array(values, pa.string()), kind)
        return found, sorted({*wrong, *more})


def _cut(array: pa.Array, exact: pa.Array) -> list[int]:
    """Return the rows whose time has digits below the microsecond; beyond 1677 to 2262 they can't be told."""
    near = pc.less_equal(pc.abs_checked(array.cast(pa.int64())), _NANOSECONDS_US)
    below = pc.not_equal(pc.multiply(array.cast(pa.int64()), 1000), exact.cast(pa.int64()))
    return [row for row, is_cut in enumerate(pc.and_(near, below).to_pylist()) if is_cut]


def _limits(kind: ColumnType) -> str:
    times = kind.name in {"date", "timestamp", "timestamptz"}
    return f"{kind}: years 1 to 9999, whole microseconds" if times else str(kind)


def _said(scalar: pa.Scalar) -> str | None:
    """Return a value as a person may read it who finds its row in the quarantine."""
    try:
        return text(scalar)
    except UnicodeDecodeError:
        if not is_text(scalar.type):
            return "has a text that is no UTF-8"
        return str(pc.cast(scalar, pa.large_binary()).as_py().decode("utf-8", "backslashreplace"))
    except (ValueError, pa.ArrowException, OverflowError):
        is_moment = pa.types.is_date(scalar.type) or pa.types.is_timestamp(scalar.type)
        return far(scalar) if is_moment else str(scalar.value if pa.types.is_temporal(scalar.type) else scalar)
