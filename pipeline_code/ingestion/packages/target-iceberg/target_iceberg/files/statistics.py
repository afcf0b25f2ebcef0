"""Statistics of a data or delete file for its manifest entry: no bound that could hide a row from a query.

A writer leaves out the bounds of a row group that it does not know: of texts longer than some thousand bytes, or of
floats with NaN among them. The file then has no bounds either, because those of the other row groups would be taken for
the bounds of all its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.conversions import to_bytes
from pyiceberg.io.pyarrow import MetricModeTypes, StatisticsCollector
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)
from pyiceberg.utils.decimal import unscaled_to_decimal

_FLOATS = (FloatType, DoubleType)
_BOUNDED = (
    *_FLOATS, BooleanType, DateType, DecimalType, IntegerType, LongType, StringType, TimestampType, TimestamptzType,
)  # fmt: skip
_LAST_BEFORE_SURROGATES, _FIRST_AFTER_SURROGATES, _LAST_CHARACTER = 0xD7FF, 0xE000, 0x10FFFF
_LEAVES_NAN_OUT = "DuckDB"
"""How the writer is called that gives a row group with NaN no bounds. Arrow's gives it those of its other values."""


@dataclass
class Floats:
    """What a column of floats holds, from its values: DuckDB reads Arrow's own bounds as if there were no NaN."""

    nulls: int = 0
    nans: int = 0
    lowest: float | None = None
    highest: float | None = None

    def add(self, column: pa.Array) -> None:
        """Take more values."""
        self.nulls += column.null_count
        self.nans += pc.sum(pc.is_nan(column)).as_py() or 0
        ends = pc.min_max(column).as_py()
        self.lowest = min((end for end in (self.lowest, ends["min"]) if end is not None), default=None)
        self.highest = max((end for end in (self.highest, ends["max"]) if end is not None), default=None)


def statistics_of(
    metadata: pq.FileMetaData,
    plan: Mapping[int, StatisticsCollector],
    ids: Mapping[str, int],
    floats: Mapping[str, Floats] | None = None,
) -> dict[str, Any]:
    """Return the statistics of a file as `DataFile.from_args` takes them, of its columns as `plan` wants them.

    `ids`: column's path → field id. `floats` are the columns whose statistics are not in the file, but counted.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    found: dict[str, Any] = {
        name: {}
        for name in (
            "column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds",
        )
    }  # fmt: skip
    for number in range(metadata.num_columns) if groups else ():
        chunks = [group.column(number) for group in groups]
        wanted = plan[(field_id := ids[chunks[0].path_in_schema])]
        found["column_sizes"][field_id] = sum(chunk.total_compressed_size for chunk in chunks)
        if wanted.mode.type is MetricModeTypes.NONE:
            continue
        counted = (floats or {}).get(chunks[0].path_in_schema)
        if counted is None:
            nulls, nans, ends = _of_chunks(metadata.created_by, chunks, wanted.iceberg_type)
        else:
            nulls, nans = counted.nulls, counted.nans
            ends = None if nans or counted.lowest is None else (counted.lowest, counted.highest)
        found["value_counts"][field_id] = sum(chunk.num_values for chunk in chunks)
        for name, count in (("null_value_counts", nulls), ("nan_value_counts", nans)):
            if count is not None:
                found[name][field_id] = count
        if ends is not None and wanted.mode.type is not MetricModeTypes.COUNTS:
            bounds = _serialized(wanted.iceberg_type, *ends, wanted.mode.length)
            for name, bound in zip(("lower_bounds", "upper_bounds"), bounds, strict=True):
                if bound is not None:
                    found[name][field_id] = bound
    return {
        "record_count": metadata.num_rows,
        **found,
        "split_offsets": sorted(_offset(group.column(0)) for group in groups) or None,
    }


def null_count(chunk: pq.ColumnChunkMetaData) -> int | None:
    """Return the number of nulls of a column in a row group; None where the file does not tell."""
    told = chunk.statistics
    return told.null_count if told is not None and told.has_null_count else None


def total(counts: Iterable[int | None]) -> int | None:
    """Return the sum of counts; None where one is not known."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def _of_chunks(
    writer: str, chunks: list[pq.ColumnChunkMetaData], kind: PrimitiveType
) -> tuple[int | None, int | None, tuple[Any, Any] | None]:
    """Return nulls, NaNs and bounds of a column from its row groups; None for each that one of them does not tell."""
    told = [chunk.statistics for chunk in chunks]
    counts = [null_count(chunk) for chunk in chunks]
    nulls = total(counts)
    empty = [count == chunk.num_values for count, chunk in zip(counts, chunks, strict=True)]
    filled = [each for each, is_empty in zip(told, empty, strict=True) if not is_empty]
    complete = all(each is not None and each.has_min_max for each in filled)
    if isinstance(kind, _FLOATS):
        complete = complete and writer.startswith(_LEAVES_NAN_OUT)
    nans = 0 if isinstance(kind, _FLOATS) and complete else None
    if not (complete and filled and isinstance(kind, _BOUNDED)):
        return nulls, nans, None
    raw = [(_number(each.min_raw, kind), _number(each.max_raw, kind)) for each in filled]
    return nulls, nans, (min(low for low, _ in raw), max(high for _, high in raw))


def _number(raw: Any, kind: PrimitiveType) -> Any:
    """Return a bound that compares as its column's values do: a decimal that is held in bytes as its digits."""
    return int.from_bytes(raw, "big", signed=True) if isinstance(kind, DecimalType) and isinstance(raw, bytes) else raw


def _serialized(kind: PrimitiveType, low: Any, high: Any, length: int | None) -> tuple[bytes | None, bytes | None]:
    """Return both bounds as manifests hold them: dates and times as numbers, texts of at most `length` characters."""
    if isinstance(kind, _FLOATS):
        # Zero has two signs, and they are equal: the bounds hold both.
        low, high = -0.0 if low == 0 else low, 0.0 if high == 0 else high
    elif isinstance(kind, DecimalType):
        low, high = unscaled_to_decimal(low, kind.scale), unscaled_to_decimal(high, kind.scale)
    elif isinstance(kind, StringType):
        low, above = low.decode()[:length], _above(high.decode(), length)
        return to_bytes(kind, low), None if above is None else to_bytes(kind, above)
    return to_bytes(kind, low), to_bytes(kind, high)


def _above(text: str, length: int | None) -> str | None:
    """Return the least text of at most `length` characters that is not before `text`; None if there is none."""
    if length is None or len(text) <= length:
        return text
    for end in range(length - 1, -1, -1):
        code = ord(text[end])
        if code < _LAST_CHARACTER:
            return text[:end] + chr(_FIRST_AFTER_SURROGATES if code == _LAST_BEFORE_SURROGATES else code + 1)
    return None


def _offset(chunk: pq.ColumnChunkMetaData) -> int:
    """Return where a row group begins."""
    if chunk.has_dictionary_page and chunk.dictionary_page_offset < chunk.data_page_offset:
        return int(chunk.dictionary_page_offset)
    return int(chunk.data_page_offset)
