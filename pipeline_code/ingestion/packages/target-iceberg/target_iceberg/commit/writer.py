"""The files of a load: rows and whole files as they arrive, and what they change in the table."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.manifest import DataFile

from target_iceberg.commit.base import Base
from target_iceberg.commit.merge import delete_files, kept_rows
from target_iceberg.commit.progress import RefusedLoadError
from target_iceberg.commit.publish import MODE
from target_iceberg.commit.snapshot import Change
from target_iceberg.files.datafile import location_of
from target_iceberg.files.deletes import Keys
from target_iceberg.files.orphans import load_of
from target_iceberg.files.part import Layout, Part, UnbalancedError, file_name
from target_iceberg.files.partitioning import is_plain
from target_iceberg.files.passage import Passage, receive
from target_iceberg.files.removal import remove
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.types import LOADED_AT


class Writer:
    """Writes the files of one load, beside those of the table: nothing of them is visible before they are committed."""

    def __init__(self, base: Base, layout: Layout, mode: WriteMode, *, run_id: str, loaded_at: dt.datetime) -> None:
        """Begin without a row. `loaded_at` becomes `_loaded_at` of every row; `base` is what the load follows."""
        self._base, self._layout, self._mode = base, layout, mode
        self._run_id, self._loaded_at, self._begun_at = run_id, loaded_at, loaded_at
        self._seconds = 0.0
        self.received = 0  # rows
        self.replaces = False
        self._numbers = itertools.count()
        self._parts: list[Part] = []
        self._deletes: list[DataFile] = []
        self._keys = self._no_keys()
        self._part = self.part()

    @property
    def number(self) -> int:
        """The load's number, from 1 on; only if it is committed, the table reaches it."""
        return self._base.number

    @property
    def columns(self) -> pa.Schema:
        """The table's columns, by their own names, in the types that data files have."""
        return self._layout.columns

    def part(self) -> Part:
        """Return a further part, for rows that are read side by side; all parts are one commit.

        Where a key occurs in several parts of a merge, which row is the newer one is not known.
        """
        part = Part(self._layout, self._mode, self._loaded_at, self._keys, self._new_file)
        self._parts.append(part)
        return part

    def _no_keys(self) -> Keys | None:
        return Keys(self._layout.key_columns) if self._mode.merges else None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows. Columns are matched by name; those missing in `batch` are null."""
        started = time.monotonic()
        self._part.write(batch)
        self.received += batch.num_rows
        self._seconds += time.monotonic() - started

    def receive(self, files: Sequence[Iterable[bytes]], columns: Mapping[str, str]) -> list[Passage]:
        """Store Parquet files as they come, beside the table. `columns`: name in the file → name in the table."""
        return receive(self._base.table, files, self._new_file, _as_sent(columns))

    def place(self, columns: Mapping[str, str]) -> dict[str, Any] | None:
        """Return what others need to store files of this load as `receive` does; None where none could be adopted."""
        if not is_plain(self._base.table):
            return None
        return {
            "table": list(self._base.table.name()),
            "load": self.number,
            "run_id": self._run_id,
            "columns": _as_sent(columns),
        }

    def stored(self, paths: Sequence[str], columns: Mapping[str, str]) -> Iterator[Passage]:
        """Yield the files that others have stored at `place`. ValueError for one that is not of this load."""
        for path in paths:
            name = path.rpartition("/")[2]
            if load_of(name) != (self.number, self._run_id) or path != location_of(self._base.table, name):
                raise ValueError(f"{path} was not stored for load {self.number} of run {self._run_id}")
            yield Passage.stored(self._base.table, path, next(self._numbers), _as_sent(columns))

    def adopt(self, passage: Passage, sent: str) -> None:
        """Make a file that was received part of the load. `sent` is what the tap calls it."""
        self._base.progress.came(sent, passage.path if passage.rows else None)
        if passage.rows:
            self._part.adopt(passage.number, passage.adopt())
            self.received += passage.rows

    # Progress

    def progress(self, columns: Mapping[str, str]) -> dict[str, Any] | None:
        """Return what a run that died has left for this load to go on from; None where no progress can be kept."""
        if not is_plain(self._base.table):
            return None
        offered = self._base.progress.offer(columns)
        begun = self._base.progress.loaded_at
        return {**offered, "constants": {LOADED_AT: begun.isoformat()}} if offered and begun is not None else {}

    def take_over(self, paths: Sequence[str]) -> int:
        """Make files part of the load that a run which died has left; it began when that run did. Returns the rows.

        ValueError for a file that it has not left, or that is taken already.
        """
        files = self._base.progress.take(paths)
        if (begun := self._base.progress.loaded_at) is not None:
            self._loaded_at = begun
            self._part = self.part()
        for file in files:
            self._part.adopt(next(self._numbers), file)
        rows = sum(file.record_count for file in files)
        self.received += rows
        return rows

    def keep(self, told: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        """Keep the progress of the load, see Progress.keep. RefusedLoadError where another run has gone on from it."""
        self._base.progress.keep(told, self._data_files(), self._loaded_at, columns, self._base.check_unmoved)

    def restart(self) -> None:
        """Forget the rows so far: the tap reads the stream from its beginning again."""
        self.discard()
        self._base.progress.forget()
        self._loaded_at = self._begun_at
        self._keys = self._no_keys()
        self.received = 0
        self._part = self.part()

    def discard(self) -> None:
        """Delete the files."""
        for part in self._parts:
            part.leave(self._base.progress.files)
            part.abandon()
        for file in self._deletes:
            remove(self._base.table.io, file.file_path)
        self._parts, self._deletes = [], []

    def _close(self) -> None:
        """Finish all files. UnbalancedError unless each row that came is in one of them, or was a removal."""
        for part in self._parts:
            part.close()
        self._check_balance()

    def _remove_unused(self, used: Iterable[DataFile]) -> None:
        """Delete what was kept of this load, or of a run that died, and is not `used`: nobody goes on from it."""
        paths = {file.file_path for file in used}
        for path in self._base.progress.files:
            if path not in paths:
                remove(self._base.table.io, path)

    # What the files change

    def _made(self) -> Change:
        """Return the change that the finished files are. RefusedLoadError where the table can't be merged into."""
        return self._appended() if self._keys is None else self._merged(self._keys)

    def _check_balance(self) -> None:
        """Raise UnbalancedError unless each row that came is in a data file, or was a removal."""
        found = {
            "in data files": sum(file.record_count for part in self._parts for file in part.files.values()),
            "removals": sum(part.removed for part in self._parts),
        }
        if self.received != sum(found.values()):
            raise UnbalancedError(f"table {self._base.name}", self.received, found)

    def _appended(self) -> Change:
        return Change(data=self._data_files(), replaces=self.replaces)

    def _merged(self, keys: Keys) -> Change:
        """Return the change of a merge. Its cost follows the load, but for a complete read that keeps older rows."""
        table = self._base.table
        filled = table.current_snapshot() is not None
        if filled and not self.replaces and table.properties.get(MODE) != self._mode.write:
            raise RefusedLoadError(
                f"table {self._base.name} was filled by appends and may hold several versions of a key. Merging "
                "needs one complete load before: headwater-ingest --full-refresh."
            )
        bare = [rows for part in self._parts for rows in part.bare_deletions]
        if filled:
            again = Part(self._layout, self._mode, self._loaded_at, None, self._new_file)
            self._parts.append(again)
            for rows in kept_rows(self._layout, self._mode, keys, bare, replaces=self.replaces, now=self._loaded_at):
                again.put(rows)
            again.close()
        files = {number: file for part in self._parts for number, file in part.files.items()}
        older = filled and not self.replaces
        self._deletes = delete_files(self._layout, keys, files, self._new_delete_file, older_rows=older)
        return Change(self._data_files(), tuple(self._deletes), self.replaces)

    def _data_files(self) -> tuple[DataFile, ...]:
        return tuple(file for part in self._parts for file in part.files.values())

    def _new_file(self) -> tuple[str, int]:
        number = next(self._numbers)
        return file_name(self.number, self._run_id, number), number

    def _new_delete_file(self) -> str:
        return file_name(self.number, self._run_id, next(self._numbers), "-deletes")


def _as_sent(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a file that a tap writes: those of the stream, and the one that the target asked for."""
    return {**columns, LOADED_AT: LOADED_AT}
