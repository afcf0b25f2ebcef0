"""What a table has got for some keys since a load: read only from files whose statistics say that they may know.

Two kinds of file know. A data file of a later load that holds the key has a newer version of it. A file of equality
deletes lists all keys that its load has written or removed, so it shows rows that the source deleted. A file is not
read if its bounds say that it holds none of the keys; a data file is also not read if all its rows are older. A removal
is not known any more if maintenance has compacted away its delete files.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import And, BooleanExpression, GreaterThanOrEqual, In, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntry
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, ManifestGroupPlanner, Table

from target_iceberg.files.orphans import load_of
from target_iceberg.pyiceberg_private import can_hold
from target_iceberg.rows.types import LOADED_AT

Key = tuple[Any, ...]
"""Values of the key's columns, in the table's types."""


@dataclass(frozen=True)
class Origin:
    """The load that set a row aside. Its number may be a later run's too, where it had nothing else to commit."""

    number: int
    run_id: str
    loaded_at: dt.datetime


@dataclass
class Written:
    """What is known of a key: when its rows were loaded, each with its value of the replication key, and the loads
    that have replaced or removed older rows, by number and run."""

    rows: list[tuple[dt.datetime, Any]] = field(default_factory=list)
    loads: set[tuple[int, str]] = field(default_factory=set)

    def later_than(self, load: Origin) -> bool:
        """Whether a later load than this one has written or removed the key."""
        others = (number for number, run_id in self.loads if run_id != load.run_id)
        return any(number >= load.number for number in others) or any(time > load.loaded_at for time, _ in self.rows)

    def beside(self, load: Origin) -> list[Any] | None:
        """Return the replication key's values of rows that this very load has written; None if it had none.

        An empty list: it has removed the key.
        """
        values = [value for time, value in self.rows if time == load.loaded_at]
        return values if values or (load.number, load.run_id) in self.loads else None


def written_since(
    table: Table, names: Sequence[str], keys: Iterable[Key], *, since: Origin, order: str | None
) -> dict[Key, Written]:
    """Return what the table's files tell of `keys` (columns `names`) since the load `since`, the first of several.

    `order` is the column whose values are noted, the replication key; None if there is none.
    """
    wanted = set(keys)
    snapshot = table.current_snapshot()
    if snapshot is None or not wanted:
        return {}
    found: dict[Key, Written] = {}
    ours = In(term=Reference(names[0]), values={_plain(key[0]) for key in wanted})
    recent = And(ours, GreaterThanOrEqual(term=Reference(LOADED_AT), value=literal(since.loaded_at.isoformat())))
    can_hold_ours, can_hold_recent = (can_hold(table.schema(), each) for each in (ours, recent))

    def read(entry: ManifestEntry) -> bool:
        content = entry.data_file.content
        return content == DataFileContent.POSITION_DELETES or (
            content == DataFileContent.DATA and can_hold_recent(entry.data_file)
        )

    manifests = snapshot.manifests(table.io)
    columns = [*names, LOADED_AT, *([] if order is None or order in names else [order])]
    for task in ManifestGroupPlanner(table.metadata, table.io).plan_files(manifests, read):
        for row in _rows(table, columns, task, recent):
            key = tuple(row[name] for name in names)
            if key in wanted:
                value = None if order is None else row[order]
                found.setdefault(key, Written()).rows.append((row[LOADED_AT], value))
    for file in _equality_deletes(table, can_hold_ours):
        load = load_of(file.file_path)
        if load is None or load[0] < since.number:
            continue
        for row in _rows(table, names, FileScanTask(file), ours):
            if (key := tuple(row[name] for name in names)) in wanted:
                found.setdefault(key, Written()).loads.add(load)
    return found


def _equality_deletes(table: Table, chosen: Any) -> Iterator[DataFile]:
    snapshot = table.current_snapshot()
    for manifest in () if snapshot is None else snapshot.manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io):
            if entry.data_file.content == DataFileContent.EQUALITY_DELETES and chosen(entry.data_file):
                yield entry.data_file


def _rows(
    table: Table, columns: Sequence[str], task: FileScanTask, condition: BooleanExpression
) -> Iterator[dict[str, Any]]:
    schema = Schema(*(table.schema().find_field(name) for name in columns))
    batches: Iterator[pa.RecordBatch] = ArrowScan(table.metadata, table.io, schema, condition).to_record_batches([task])
    for batch in batches:
        yield from batch.to_pylist()


def _plain(value: Any) -> Any:
    """Return a value that an expression takes for any column: times as text."""
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value
