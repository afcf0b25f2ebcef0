"""Puts a stream's rows into the columns that the plan gives them, for its load; rows that don't fit are set aside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from headwater_contracts import Action, Contract, Drift, Write
from pyiceberg.catalog import Catalog

from target_iceberg.commit.load import Load
from target_iceberg.files.part import UnbalancedError
from target_iceberg.files.passage import Passage
from target_iceberg.messages.records import Misfit, parsed, python_value, sift, to_batch
from target_iceberg.quarantine import rejected as quarantine
from target_iceberg.quarantine.rejected import FILE, Rejected
from target_iceberg.rows.drift import Plan
from target_iceberg.rows.findings import QUARANTINED, Finding, finding, raise_failing
from target_iceberg.rows.mode import DELETED_AT

MOST_KEYS_WATCHED = 5_000_000
"""Rows of a load whose keys are compared where the source does not guarantee that they are unique."""


class LostRowsError(ValueError):
    """Other rows came than the tap says that it has sent."""


class Intake:
    """Hands rows to `load`, whose table was made by `plan`. Batches and records have the stream's column names."""

    def __init__(self, contract: Contract, plan: Plan, load: Load) -> None:
        """Begin with the stream's first schema."""
        self.contract, self.load = contract, load
        self.rejected: list[Rejected] = []
        self.expected: int | None = None
        """Rows that the tap says it has sent; None where it does not say."""
        self.came, self.unsent, self.stored = 0, 0, 0
        """Rows that came; those of `rejected` that the tap has set aside itself; rows that the load got."""
        self._watched: list[pa.RecordBatch] | None = []
        self._unwatched = False  # more rows came than can be watched
        self._deletes_rows = contract.write is Write.MERGE
        self.use(plan)

    def use(self, plan: Plan) -> None:
        """Go on with another plan, after the stream's schema has changed; the load has been told already."""
        self.plan = plan
        types = {field.name: field for field in self.load.columns}
        self._fields = {name: types[stored] for name, stored in plan.columns.items()}
        self._required = [name for name, field in self._fields.items() if not field.nullable]
        # No file guarantees a key, and one that has it twice would lose a row.
        self._merges_files = self._deletes_rows and FILE in plan.columns and plan.columns[FILE] not in plan.keys
        if not plan.keys or (plan.unique and not self._merges_files):
            self._watched = None

    @property
    def columns(self) -> pa.Schema:
        """The stream's columns by their own names, in the types of the table."""
        return pa.schema([field.with_name(name) for name, field in self._fields.items()])

    def write_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Store Singer records."""
        self.came += len(records)
        kept: Sequence[Mapping[str, Any]] = records
        misfits: list[Misfit] = []
        try:
            batch = to_batch(self.contract.stream, records, self.columns)
        except ValueError:
            kept, misfits = sift(records, self.columns)
            batch = to_batch(self.contract.stream, kept, self.columns)
        for misfit in misfits:
            self._reject(misfit.record, misfit.column, misfit.reason)
        self._store(batch, {})

    def write(self, batch: pa.RecordBatch) -> None:
        """Store the rows of a batch."""
        self.came += batch.num_rows
        arrays: dict[str, pa.Array] = {}
        bad: dict[int, tuple[str, str]] = {}
        for name, field in self._fields.items():
            index = batch.schema.get_field_index(name)
            if index >= 0 and batch.schema.field(index).type != field.type:
                arrays[name], wrong = parsed(batch.column(index), field.type)
                bad |= {row: (name, reason) for row, reason in wrong.items() if row not in bad}
        if bad:
            for row, (name, reason) in sorted(bad.items()):
                self._reject(_row(batch, row), name, reason)
            keep = pa.array([row not in bad for row in range(batch.num_rows)])
            batch = batch.filter(keep)
            arrays = {name: array.filter(keep) for name, array in arrays.items()}
        self._store(batch, arrays)

    def receive(self, files: Sequence[Iterable[bytes]], sent: Sequence[str]) -> int:
        """Store Parquet files, which come side by side, as they are. Returns the number of rows.

        Where they don't fit so, their rows are stored one by one. `sent` is what the tap calls the files.
        """
        passages = self.load.receive(files, self.plan.columns)
        return sum(self._received(passage, each) for passage, each in zip(passages, sent, strict=True))

    @property
    def place(self) -> dict[str, Any] | None:
        """Where other pods may store files of the stream as they are read; None where rows are looked at one by one."""
        return self.load.place(self.plan.columns) if self._takes_files else None

    def take_stored(self, paths: Sequence[str]) -> int:
        """Take files that others have stored at `place`. Returns the number of rows."""
        return sum(self._received(passage, passage.path) for passage in self.load.stored(paths, self.plan.columns))

    @property
    def progress(self) -> dict[str, Any] | None:
        """What the tap may go on from, see Load.progress; None where rows are looked at one by one."""
        return self.load.progress(self.plan.columns) if self._takes_files else None

    def take_over(self, paths: Sequence[str]) -> int:
        """Take files that a run has left which died. Returns the number of rows."""
        rows = self.load.take_over(paths)
        self.came += rows
        self.stored += rows
        return rows

    def keep(self, told: Mapping[str, Any]) -> None:
        """Keep the progress of the load; `told` is the tap's."""
        self.load.keep(told, self.plan.columns)

    @property
    def _takes_files(self) -> bool:
        return not self.plan.casts and self._watched is None

    def _received(self, passage: Passage, sent: str) -> int:
        if not passage.rows or (self._takes_files and passage.misfit is None):
            self.load.adopt(passage, sent)
            self.came += passage.rows
            self.stored += passage.rows
        else:
            came = self.came
            with passage:
                for batch in passage.batches():
                    self.write(batch)
            self.came = came + passage.rows
        return passage.rows

    def set_aside(self, rejected: Rejected) -> None:
        """Take a row that the tap could not send."""
        self.unsent += 1
        self.rejected.append(rejected)

    def replace(self) -> None:
        """Replace the table's rows by those of this run: the tap announced a complete read."""
        self.load.replaces = True

    def restart(self) -> None:
        """Forget all rows: the tap reads the stream from its beginning again."""
        self.load.restart()
        self.rejected = []
        self.came, self.unsent, self.stored = 0, 0, 0
        self._watched = [] if self._unwatched or self._watched is not None else None
        self._unwatched = False

    def check(self) -> tuple[Finding, ...]:
        """Return what was found out about the rows.

        Raises where the contract does not allow them to be published, UnbalancedError where rows are missing.
        """
        if self.expected is not None and self.expected != self.came:
            raise LostRowsError(
                f"stream {self.contract.stream}: its tap sent {self.expected} rows, and {self.came} came. Nothing was "
                "committed: run again"
            )
        found = {"stored": self.load.received, "set aside": len(self.rejected) - self.unsent}
        if self.stored != self.load.received or self.came != sum(found.values()):
            raise UnbalancedError(f"stream {self.contract.stream}", self.came, found)
        findings = [*self.plan.findings, *self._emptied(), *self._duplicates()]
        raise_failing(tuple(findings))
        is_empty = bool(self.rejected) and not self.stored and (self.load.replaces or not self.load.has_rows())
        quarantine.check(self.contract, self.rejected, self.stored, is_empty=is_empty)
        if self.rejected:
            findings.append(
                Finding(
                    QUARANTINED, "", "warn",
                    f"{self.contract.stream}: {len(self.rejected)} rows could not be stored; they are in "
                    f"raw.{quarantine.STREAM}. {self.rejected[0]}",
                    quarantine.way_out(self.contract.stream, self.rejected),
                )
            )  # fmt: skip
        return tuple(findings)

    def store_rejected(self, catalog: Catalog, namespace: str, run_id: str, loaded_at: dt.datetime) -> None:
        """Put the rows that were set aside into their table, in place of those of an earlier try of this load."""
        load = self.load
        if self.rejected or load.replaces:
            stream = self.contract.stream
            quarantine.store(
                catalog, namespace, stream, self.rejected, load=load.number, run_id=run_id, loaded_at=loaded_at
            )  # fmt: skip

    def _store(self, batch: pa.RecordBatch, arrays: Mapping[str, pa.Array]) -> None:
        """Hand rows to the load, less those that lack a value where the table must have one."""
        for name in self._required:
            index = batch.schema.get_field_index(name)
            array = arrays[name] if name in arrays else batch.column(index) if index >= 0 else None
            if batch.num_rows == 0 or (array is not None and array.null_count == 0):
                continue
            missing = [True] * batch.num_rows if array is None else array.is_null().to_pylist()
            if self._deletes_rows and (told := batch.schema.get_field_index(DELETED_AT)) >= 0:
                # A deletion may tell no more than its key.
                alive = batch.column(told).is_null().to_pylist()
                missing = [is_null and lives for is_null, lives in zip(missing, alive, strict=True)]
            for row in (row for row, is_null in enumerate(missing) if is_null):
                self._reject(_row(batch, row), name, "null, where the source promises a value")
            keep = pa.array([not is_null for is_null in missing])
            batch = batch.filter(keep)
            arrays = {each: values.filter(keep) for each, values in arrays.items()}
        if batch.num_rows == 0:
            return
        if arrays or not self.plan.is_plain:
            names = [name for name in batch.schema.names if name in self.plan.columns]
            batch = pa.RecordBatch.from_arrays(
                [arrays[name] if name in arrays else batch.column(name) for name in names],
                names=[self.plan.columns[name] for name in names],
            )
        self.stored += batch.num_rows
        if self._watched is not None:
            self._watched.append(batch.select(self._told_apart_by))
            if self.stored > MOST_KEYS_WATCHED:
                self._watched, self._unwatched = None, True
        self.load.write(batch)

    def _reject(self, row: Mapping[str, Any], column: str, reason: str) -> None:
        source_keys = [name for name, stored in self.plan.columns.items() if stored in self.plan.keys]
        self.rejected.append(Rejected.of(row, source_keys, column, reason))

    def _emptied(self) -> list[Finding]:
        if not self.load.replaces or self.stored or not self.load.has_rows():
            return []
        return finding(
            self.contract, Drift.EMPTIED, "",
            f"{self.contract.stream}: the source's table is empty, and was not; with `fail` the rows of the lake stay",
            "Check the source; if it is right, say `emptied: accept` in the contract's on_drift",
        )  # fmt: skip

    def _duplicates(self) -> list[Finding]:
        if self._unwatched:
            return finding(
                self.contract, Drift.DUPLICATE_KEY, "",
                f"{self.contract.stream}: the source does not guarantee that its key is unique, and more than "
                f"{MOST_KEYS_WATCHED:,} rows came: they were not looked through for keys that occur more than once",
                "Restore the primary key in the source, or say `duplicate_key: accept` in the contract's on_drift",
            )  # fmt: skip
        if not self._watched:
            return []
        keys = self._told_apart_by
        counted = pa.Table.from_batches(self._watched).group_by(keys).aggregate([([], "count_all")])
        twice = counted.filter(pc.greater(counted["count_all"], 1))
        if twice.num_rows == 0:
            return []
        example = {name: twice[name][0].as_py() for name in keys}
        if self._merges_files:
            return self._lost_in_files(twice.num_rows, example)
        return finding(
            self.contract, Drift.DUPLICATE_KEY, "",
            f"{self.contract.stream}: {twice.num_rows} keys occur more than once in the source, "
            f"{quarantine.json_text(example)} {twice['count_all'][0].as_py()} times",
            "Remove the duplicates in the source and restore its primary key; the models keep one row a key",
        )  # fmt: skip

    @property
    def _told_apart_by(self) -> list[str]:
        """Table columns of which two rows of a load may not have the same values."""
        return [*self.plan.keys, *([self.plan.columns[FILE]] if self._merges_files else [])]

    def _lost_in_files(self, number: int, example: Mapping[str, Any]) -> list[Finding]:
        """Return what is found where a merge would keep one of several rows of a file."""
        found = finding(
            self.contract, Drift.DUPLICATE_KEY, "",
            f"{self.contract.stream}: {number} keys occur more than once in one file, such as "
            f"{quarantine.json_text(example)}, and a merge keeps the last row of each",
            "Let the contract's `key` tell the rows of a file apart, or say `write: append`, and load it anew "
            "(headwater-ingest --full-refresh); or say `duplicate_key: warn` in its on_drift if the last row is right",
        )  # fmt: skip
        return [replace(each, severity=Action.FAIL) if each.severity == Action.ERROR else each for each in found]


def _row(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """Return a row's values."""
    return {name: python_value(batch.column(number)[row]) for number, name in enumerate(batch.schema.names)}
