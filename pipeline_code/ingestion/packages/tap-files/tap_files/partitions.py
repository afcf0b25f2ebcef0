"""Columns that stand in a file's path, as Hive and Spark write them: `sales/year=2026/month=1/part-0.parquet`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import duckdb
import pyarrow as pa
from headwater_contracts import ColumnType

from tap_files.inference import Evidence, evidence
from tap_files.rows import typed

NULL = "__HIVE_DEFAULT_PARTITION__"


def of_path(name: str) -> dict[str, str | None]:
    """Return column → value of the folders `column=value` in a path below the root."""
    found: dict[str, str | None] = {}
    for folder in name.split("/")[:-1]:
        column, separator, value = folder.partition("=")
        if separator and column:
            found[unquote(column)] = None if value == NULL else unquote(value)
    return found


def without(name: str) -> str:
    """Return a path without such folders."""
    *folders, last = name.split("/")
    return "/".join([*(each for each in folders if "=" not in each.strip("=")), last])


def told(
    duck: duckdb.DuckDBPyConnection, values: Mapping[str, str | None], pinned: Mapping[str, ColumnType]
) -> dict[str, Evidence]:
    """Return what a path's values tell of their columns' types."""
    return evidence(duck, _table(values), pinned) if values else {}


def converted(
    duck: duckdb.DuckDBPyConnection, values: Mapping[str, str | None], kinds: Mapping[str, ColumnType]
) -> dict[str, pa.Scalar]:
    """Return a path's values in the types of their columns. ValueError names the one that is none."""
    if not values:
        return {}
    piece = typed(duck, _table(values), kinds)
    if piece.misfits:
        wrong = piece.misfits[0]
        raise ValueError(f"its path says {wrong.column}={wrong.value}, which {wrong.reason}")
    return {name: piece.batch.column(place)[0] for place, name in enumerate(values)}


def _table(values: Mapping[str, str | None]) -> pa.Table:
    return pa.table({name: pa.array([value], pa.string()) for name, value in values.items()})
