"""Rows out of the quarantine and into their table, after the source, or the contract, was put right.

A row is released when its values fit by now: it is appended to the table (or takes the place of its key's row, where
the table is merged). It is dropped when the table has got a newer version of its key since: the source was corrected,
and sent it again. Everything else stays.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from headwater_contracts import table_name
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, GreaterThan, In, Reference
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from target_iceberg import quarantine
from target_iceberg.drift import OWN_COLUMN
from target_iceberg.records import sift, to_batch
from target_iceberg.tables import load_or_none
from target_iceberg.types import LOADED_AT

REPLAYED = "headwater.replayed"
"""In the summary of a snapshot: the quarantine's snapshot whose rows it holds, for the replay after one that died."""
WRITE = "headwater.write"


@dataclass(frozen=True)
class Outcome:
    """How many rows were released into the table, dropped for a newer version, and kept in the quarantine."""

    released: int
    superseded: int
    kept: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.released} rows released, {self.superseded} superseded by newer versions, {self.kept} kept"


def replay(catalog: Catalog, namespace: str, stream: str) -> Outcome:
    """Try the rows of a stream that are set aside once more. Raises ValueError for a stream without a table."""
    held, snapshot = quarantine.rows(catalog, namespace, stream)
    table = load_or_none(catalog, namespace, table_name(stream))
    if table is None:
        raise ValueError(f"there is no table {namespace}.{table_name(stream)}: is the stream's name right?")
    newer = _newer(table, held)
    released: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    superseded = 0
    for row in held:
        record = None if _key(row) in newer else _record(row, table)
        if _key(row) in newer:
            superseded += 1
        elif record is None:
            kept.append(row)
        else:
            released.append(record)
    if released and not _done(table, snapshot):
        _write(table, stream, released, str(snapshot))
    if len(kept) < len(held):
        quarantine.keep_only(catalog, namespace, stream, kept)
    return Outcome(len(released), superseded, len(kept))


def _key(row: Mapping[str, Any]) -> str:
    return quarantine.json_text(json.loads(row["key"], parse_float=Decimal))


def _record(row: Mapping[str, Any], table: Table) -> dict[str, Any] | None:
    """Return the row in the table's columns, None if it still does not fit."""
    try:
        values = json.loads(row["row"], parse_float=Decimal)
    except json.JSONDecodeError:  # bytes that are no text
        return None
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    own: dict[str, str] = {field.doc: field.name for field in table.schema().fields if field.doc}
    record: dict[str, Any] = {LOADED_AT: dt.datetime.now(dt.UTC)}
    for name, value in values.items():
        candidates = [each for each in (name, own.get(f"{OWN_COLUMN}{name}", name)) if each in schema.names]
        fitting = [each for each in candidates if sift([{each: value}], pa.schema([schema.field(each)]))[0]]
        if candidates and not fitting:
            return None
        if fitting:
            record[fitting[0]] = value
    required = [field.name for field in schema if not field.nullable]
    return None if any(record.get(name) is None for name in required) else record


def _newer(table: Table, held: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the keys of which the table has a version that was loaded after the row was set aside."""
    keys = [json.loads(row["key"], parse_float=Decimal) for row in held]
    names = sorted({name for key in keys for name in key})
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    if not names or any(name not in schema.names for name in names):
        return frozenset()
    field = schema.field(names[0])
    wanted = {key[names[0]] for key in keys if sift([key], pa.schema([field]))[0]}
    since = min(row["loaded_at"] for row in held)
    found = table.scan(
        row_filter=And(
            In(term=Reference(names[0]), values=wanted),
            GreaterThan(term=Reference(LOADED_AT), value=since.isoformat()),
        ),
        selected_fields=(*names, LOADED_AT),
    ).to_arrow()
    loaded: dict[str, dt.datetime] = {}
    for row in found.to_pylist():
        key = quarantine.json_text({name: row[name] for name in keys[0]})
        loaded[key] = max(row[LOADED_AT], loaded.get(key, row[LOADED_AT]))
    return frozenset(key for row in held if (key := _key(row)) in loaded and loaded[key] > row["loaded_at"])


def _done(table: Table, snapshot: int | None) -> bool:
    """Whether an earlier replay has written these rows and died before it took them out of the quarantine."""
    return any(
        each.summary is not None and each.summary.additional_properties.get(REPLAYED) == str(snapshot)
        for each in table.metadata.snapshots
    )


def _write(table: Table, stream: str, records: Sequence[Mapping[str, Any]], snapshot: str) -> None:
    batch = to_batch(stream, records, schema_to_pyarrow(table.schema(), include_field_ids=False))
    rows = pa.Table.from_batches([batch])
    if table.properties.get(WRITE) == "merge":
        keys = list(table.schema().identifier_field_names())
        table.upsert(rows, join_cols=keys, snapshot_properties={REPLAYED: snapshot})
    else:
        table.append(rows, snapshot_properties={REPLAYED: snapshot})
