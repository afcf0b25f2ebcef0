"""Moves rows from the quarantine into their table, after the source or the contract was corrected.

A row is released if its values now fit: it is appended to the table, or merged into it, as the stream's loads are. It
is dropped if the table has since got a newer version of its key, or lost the key: the source was corrected and sent it
again. Everything else stays, also a row of which the same load has stored another version, if nothing shows which of
them is newer. If several rows with the same key are set aside, the last one decides.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
from headwater_contracts import Deletes, Write, table_name
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from target_iceberg.commit.publish import MODE
from target_iceberg.commit.tables import load_or_none
from target_iceberg.messages.records import sift, to_batch
from target_iceberg.quarantine import rejected as quarantine
from target_iceberg.quarantine import released
from target_iceberg.quarantine.written import Key, Origin, Written, written_since
from target_iceberg.rows.drift import OWN_COLUMN
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.types import LOADED_AT
from target_iceberg.state.position import read_position

Verdict = Literal["release", "superseded", "keep"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How many rows were released into the table, dropped for a newer version, and kept in the quarantine."""

    released: int
    superseded: int
    kept: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.released} rows released, {self.superseded} superseded by newer versions, {self.kept} kept"


def replay(catalog: Catalog, namespace: str, stream: str, deletes: Deletes = Deletes.KEEP) -> Outcome:
    """Try the rows of a stream that are set aside once more. `deletes`: what its contract says of deleted rows.

    Raises ValueError for a stream without a table, RefusedLoadError when the stream is loaded meanwhile.
    """
    table = load_or_none(catalog, namespace, table_name(stream))
    if table is None:
        raise ValueError(f"there is no table {namespace}.{table_name(stream)}: is the stream's name right?")
    position = read_position(table.metadata)
    held = quarantine.rows(catalog, namespace, stream)
    # Those that a replay has written which died before it took them out of the quarantine.
    done = released.released(table)
    open_rows = [row for row in held if released.identity(row) not in done]
    records: list[tuple[str, dict[str, Any]]] = []
    kept: list[Row] = []
    superseded = 0
    for row, verdict, record in _decided(table, stream, open_rows):
        if verdict == "release" and record is not None and len(records) < released.MOST_ROWS:
            records.append((released.identity(row), record))
        elif verdict == "superseded":
            superseded += 1
        else:
            kept.append(row)
    if records:
        names, values = zip(*records, strict=True)
        rows = to_batch(stream, values, schema_to_pyarrow(table.schema(), include_field_ids=False))
        mode = WriteMode(Write(table.properties.get(MODE, Write.APPEND)), deletes)
        released.write(table, rows, mode, names=set(names), position=position)
    if len(kept) < len(held):
        quarantine.keep_only(catalog, namespace, stream, held, kept)
    return Outcome(len(held) - superseded - len(kept), superseded, len(kept))


def finish(catalog: Catalog, namespace: str, table: Table) -> int:
    """Take rows out of the quarantine that a replay has written which died before it did so. Returns how many.

    For maintenance, as long as the snapshot that tells of them is there: later a replay would write them again.
    """
    position, done = read_position(table.metadata), released.released(table)
    if position is None or not done:
        return 0
    held = quarantine.rows(catalog, namespace, position.stream)
    kept = [row for row in held if released.identity(row) not in done]
    if len(kept) < len(held):
        quarantine.keep_only(catalog, namespace, position.stream, held, kept)
    return len(held) - len(kept)


def _decided(table: Table, stream: str, held: Sequence[Row]) -> list[tuple[Row, Verdict, dict[str, Any] | None]]:
    """Return what becomes of each row, and what a released one is in the table's columns."""
    names = sorted({name for row in held for name in json.loads(row["key"])})
    keys = [_key(table, stream, names, row) for row in held]
    known = _known(table, names, held, [key for key in keys if key is not None])
    order = _replication_key(table)
    last = {key: number for number, key in sorted(enumerate(keys), key=lambda each: held[each[0]]["loaded_at"])}
    decided: dict[int, tuple[Verdict, dict[str, Any] | None]] = {}
    for number, (row, key) in enumerate(zip(held, keys, strict=True)):
        if key is None or last[key] == number:
            record = _record(row, table)
            verdict = "release" if key is None or key not in known else _verdict(row, known[key], record, order)
            decided[number] = ("keep" if verdict == "release" and record is None else verdict, record)
    for number, key in enumerate(keys):
        if number not in decided:
            decided[number] = ("keep" if decided[last[key]][0] == "keep" else "superseded", None)
    return [(row, *decided[number]) for number, row in enumerate(held)]


def _verdict(row: Row, written: Written, record: Mapping[str, Any] | None, order: str | None) -> Verdict:
    """Return what becomes of a row, by what its table has of its key."""
    load = _origin(row)
    if written.later_than(load):
        return "superseded"
    beside = written.beside(load)
    if beside is None:
        return "release"
    mine = None if record is None or order is None else record.get(order)
    if mine is None or not beside or None in beside or mine == max(beside):
        return "keep"
    return "release" if mine > max(beside) else "superseded"


def _known(table: Table, names: Sequence[str], held: Sequence[Row], keys: Sequence[Key]) -> dict[Key, Written]:
    if not keys:
        return {}
    first = min((_origin(row) for row in held), key=lambda load: load.loaded_at)
    return written_since(table, names, keys, since=first, order=_replication_key(table))


def _origin(row: Row) -> Origin:
    return Origin(row["load"], row["run_id"], row["loaded_at"])


def _replication_key(table: Table) -> str | None:
    """Return the column that orders the versions of a key, where the stream has one."""
    position = read_position(table.metadata)
    name = None if position is None else position.bookmark.get("replication_key")
    return name if any(field.name == name for field in table.schema().fields) else None


def _key(table: Table, stream: str, names: Sequence[str], row: Row) -> Key | None:
    """Return the key of a row in the table's types; None if it has none, or one that does not fit."""
    values = json.loads(row["key"], parse_float=Decimal)
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    if not names or any(values.get(name) is None or name not in schema.names for name in names):
        return None
    wanted = pa.schema([schema.field(name) for name in names])
    if not sift([values], wanted)[0]:
        return None
    (typed,) = to_batch(stream, [values], wanted).to_pylist()
    return tuple(typed[name] for name in names)


def _record(row: Row, table: Table) -> dict[str, Any] | None:
    """Return the row in the table's columns and types, None if it still does not fit."""
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
    if any(record.get(name) is None for name in required):
        return None
    (typed,) = to_batch(table.name()[-1], [record], schema).to_pylist()
    return dict(typed)
