"""One load of one table: data files written as rows arrive, one snapshot at the end."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from target_iceberg.commit import publish
from target_iceberg.commit.merge import delete_files, kept_rows
from target_iceberg.commit.publish import MODE, RefusedLoadError
from target_iceberg.commit.snapshot import Attempt, Change, commit
from target_iceberg.commit.tables import ensure_table
from target_iceberg.files.datafile import location_of
from target_iceberg.files.deletes import Keys
from target_iceberg.files.orphans import load_of
from target_iceberg.files.part import Layout, Part, UnbalancedError, file_name
from target_iceberg.files.partitioning import Arrangement, arrange, is_plain
from target_iceberg.files.passage import Passage, receive
from target_iceberg.files.removal import remove
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.types import LOADED_AT
from target_iceberg.state.position import Position, read_position, settled
from target_iceberg.state.report import LoadResult

APPEND = WriteMode()
AS_IT_IS = Arrangement()


class Load:
    """Rows on their way into one table. `commit`, `stage` and `publish`, or `discard` end it."""

    def __init__(
        self,
        catalog: Catalog,
        namespace: str,
        name: str,
        *,
        stream: str,
        run_id: str,
        loaded_at: dt.datetime,
        schema: Schema,
        start: dict[str, Any] | None,
        mode: WriteMode = APPEND,
        keys: tuple[str, ...] = (),
        arrangement: Arrangement = AS_IT_IS,
    ) -> None:
        """Create or grow the table. `loaded_at` becomes `_loaded_at` of every row.

        `start` is the bookmark that the tap says it reads from; None if it says nothing about that. `keys` are the
        columns by which a merge tells rows apart, `arrangement` is the layout that the table is to have. What an
        earlier run left staged is published or dropped first.
        """
        self._catalog, self._namespace, self.table_name = catalog, namespace, name
        self.stream, self._run_id, self._loaded_at, self._start = stream, run_id, loaded_at, start
        self._mode, self._key_columns, self._arrangement = mode, keys, arrangement
        self._seconds = 0.0
        self.received = 0  # rows
        self._numbers = itertools.count()
        self._parts: list[Part] = []
        self._deletes: list[DataFile] = []
        self._change: Change | None = None
        self._committing = False
        self.done = False  # committed or published
        self.replaces = False
        self._use(schema)
        self._keys = Keys(self._layout.key_columns) if mode.merges else None
        publish.settle(catalog, self._table)
        self._base = read_position(self._table.metadata)
        self._number = 1 if self._base is None else self._base.load + 1
        self._part = self.part()

    @property
    def number(self) -> int:
        """The load's number, from 1 on; only if it is committed, the table reaches it."""
        return self._number

    @property
    def columns(self) -> pa.Schema:
        """The table's columns, by their own names, in the types that data files have."""
        return self._layout.columns

    def evolve(self, schema: Schema) -> None:
        """Grow the table because the stream's schema changed midway; rows so far keep theirs."""
        self._part.close()
        self._use(schema)
        self._part = self.part()

    def part(self) -> Part:
        """Return a further part, for rows that are read side by side; all parts are one commit.

        Where a key occurs in several parts of a merge, which row is the newer one is not known.
        """
        part = Part(self._layout, self._mode, self._loaded_at, self._keys, self._new_file)
        self._parts.append(part)
        return part

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows. Columns are matched by name; those missing in `batch` are null."""
        started = time.monotonic()
        self._part.write(batch)
        self.received += batch.num_rows
        self._seconds += time.monotonic() - started

    def receive(self, files: Sequence[Iterable[bytes]], columns: Mapping[str, str]) -> list[Passage]:
        """Store Parquet files as they come, beside the table. `columns`: name in the file → name in the table."""
        return receive(self._table, files, self._new_file, _as_sent(columns))

    def place(self, columns: Mapping[str, str]) -> dict[str, Any] | None:
        """Return what others need to store files of this load as `receive` does; None where none could be adopted."""
        if not is_plain(self._table):
            return None
        return {
            "table": list(self._table.name()),
            "load": self._number,
            "run_id": self._run_id,
            "columns": _as_sent(columns),
        }

    def stored(self, paths: Sequence[str], columns: Mapping[str, str]) -> Iterator[Passage]:
        """Yield the files that others have stored at `place`. ValueError for one that is not of this load."""
        for path in paths:
            name = path.rpartition("/")[2]
            if load_of(name) != (self._number, self._run_id) or path != location_of(self._table, name):
                raise ValueError(f"{path} was not stored for load {self._number} of run {self._run_id}")
            yield Passage.stored(self._table, path, next(self._numbers), _as_sent(columns))

    def adopt(self, passage: Passage) -> None:
        """Make a file that was received part of the load."""
        self._part.adopt(passage.number, passage.adopt())
        self.received += passage.rows

    def prepare(self, bookmark: dict[str, Any]) -> bool:
        """Finish all files; return whether there is anything to commit. `bookmark` is where the stream then stands.

        RefusedLoadError where the rows do not continue the table, ValueError where they do not fit its way of writing.
        """
        started = time.monotonic()
        for part in self._parts:
            part.close()
        self._check_balance()
        self._check_start()
        self._position = Position(self.stream, self._number, self._run_id, settled(bookmark))
        self._table.refresh()
        self._check_unmoved()
        self._change = self._merged(self._keys) if self._keys is not None else self._appended()
        self._seconds += time.monotonic() - started
        return not self._change.is_empty_for(self._table)

    def commit(self, bookmark: dict[str, Any]) -> LoadResult:
        """Make the rows visible in one snapshot that also says where the stream now stands; no rows, no snapshot.

        A load that `replaces` removes all older rows in the same snapshot. A commit of maintenance in between is
        retried; one of another load is not: RefusedLoadError. That is also raised when the tap began elsewhere than
        the table stands.
        """
        return self.commit_prepared() if self.prepare(bookmark) else self.result()

    def commit_prepared(self) -> LoadResult:
        """Commit what `prepare` has found, at once."""
        change, table = self._prepared(), self._table

        def attempt() -> Attempt:
            self._check_unmoved()
            return publish.load_attempt(table, change, self._position, self._mode.write)

        with self._timed(certain=(RefusedLoadError, CommitFailedException)):
            commit(table, attempt, self._landed)
        self.done = True
        return self.result()

    def stage(self, anchor: str) -> None:
        """Commit what `prepare` has found without showing it to readers. `anchor` is the run's first table."""
        change = self._prepared()
        summary = publish.staging(self._table, self._position, anchor, self._mode.write, replaces=change.replaces)
        with self._timed(certain=(RefusedLoadError, CommitFailedException)):
            publish.stage(self._table, change, summary, self._check_unmoved)

    def publish(self) -> LoadResult:
        """Show readers what was staged. RefusedLoadError where another run has dropped it meanwhile."""
        with self._timed():
            publish.publish(self._table, self._run_id)
        self.done = True
        return self.result()

    def result(self) -> LoadResult:
        """Return what the load has done so far."""
        change = self._prepared()
        current = self._table.current_snapshot()
        return LoadResult(
            table=".".join(self._table.name()),
            rows=self.received,
            files=len(change.data) + len(change.deletes),
            bytes=sum(file.file_size_in_bytes for file in (*change.data, *change.deletes)),
            snapshot_id=None if current is None else current.snapshot_id,
            seconds=self._seconds,
        )

    def position(self) -> dict[str, Any] | None:
        """Return the bookmark that the table stands at now; None if only the tap's own state can tell."""
        self._table.refresh()
        position = read_position(self._table.metadata)
        if position is not None:
            return position.bookmark
        # A table without a row, and a tap that says it has read some: the table was dropped.
        return {} if self._start and self._table.current_snapshot() is None else None

    def discard(self) -> None:
        """Delete the files of a load that is not committed. Where that is not certain, they are kept."""
        if self._committing:
            return
        for part in self._parts:
            part.abandon()
        for file in self._deletes:
            remove(self._table.io, file.file_path)
        self._parts, self._deletes = [], []

    def withdraw(self) -> bool:
        """Take back what was staged, and delete its files. Returns False where it was published after all."""
        if not publish.drop(self._table, self._run_id):
            return False
        self._committing = False
        self.discard()
        return True

    # Checks

    def restart(self) -> None:
        """Forget the rows so far: the tap reads the stream from its beginning again."""
        self.discard()
        self._keys = Keys(self._layout.key_columns) if self._mode.merges else None
        self.received = 0
        self._part = self.part()

    def _check_balance(self) -> None:
        """Raise UnbalancedError unless each row that came is in a data file, or was a removal."""
        found = {
            "in data files": sum(file.record_count for part in self._parts for file in part.files.values()),
            "removals": sum(part.removed for part in self._parts),
        }
        if self.received != sum(found.values()):
            raise UnbalancedError(f"table {'.'.join(self._table.name())}", self.received, found)

    def has_rows(self) -> bool:
        """Whether readers see any row of the table now."""
        snapshot = self._table.current_snapshot()
        total = None if snapshot is None or snapshot.summary is None else snapshot.summary.get("total-records")
        return snapshot is not None and total != "0"

    def _check_start(self) -> None:
        """Raise RefusedLoadError if the tap did not begin where the table stands, or it is another stream's."""
        if self._base is not None and self._base.stream != self.stream:
            raise RefusedLoadError(
                f"table {'.'.join(self._table.name())} holds stream {self._base.stream!r}, and {self.stream!r} would "
                "be the same table: rename one of them; or drop the table, if it is the same stream by another name"
            )
        if self._start is None or self.replaces:
            return
        if self._base is not None:
            stands = self._base.bookmark
        elif self._table.current_snapshot() is None:
            stands = {}
        else:
            return  # filled by others: only the tap's state knows
        if self._start != stands:
            raise RefusedLoadError(
                f"table {'.'.join(self._table.name())} stands at {stands or 'its beginning'}, the tap began at "
                f"{self._start or 'its beginning'}: rows would be doubled or lost. Nothing was committed, and the "
                "state now says what the table says: run again."
            )

    def _check_unmoved(self) -> None:
        """Raise RefusedLoadError if another load was committed since this one began; drop what one has staged."""
        publish.settle(self._catalog, self._table, self._run_id)
        now = read_position(self._table.metadata)
        if now != self._base:
            other = "none" if now is None else f"{now.load} of run {now.run_id}"
            raise RefusedLoadError(
                f"table {'.'.join(self._table.name())}: two runs at once. This one began after load "
                f"{self._number - 1}, the table's last load is now {other}. Nothing was committed: run again."
            )

    def _landed(self) -> bool:
        """Whether the table says that this load was committed, although the answer to the commit was lost."""
        now = read_position(self._table.metadata)
        return now is not None and (now.load, now.run_id) == (self._number, self._run_id)

    # Making the change

    def _appended(self) -> Change:
        return Change(data=self._data_files(), replaces=self.replaces)

    def _merged(self, keys: Keys) -> Change:
        """Return the change of a merge. Its cost follows the load, but for a complete read that keeps older rows."""
        filled = self._table.current_snapshot() is not None
        if filled and not self.replaces and self._table.properties.get(MODE) != self._mode.write:
            raise RefusedLoadError(
                f"table {'.'.join(self._table.name())} was filled by appends and may hold several versions of a key. "
                "Merging needs one complete load before: headwater-ingest --full-refresh."
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
        return file_name(self._number, self._run_id, number), number

    def _new_delete_file(self) -> str:
        return file_name(self._number, self._run_id, next(self._numbers), "-deletes")

    def _use(self, schema: Schema) -> None:
        wanted = self._mode.schema(self.stream, schema, self._key_columns)
        table = ensure_table(self._catalog, self._namespace, self.table_name, wanted)
        self._table: Table = arrange(table, self._arrangement, merges=self._mode.merges)
        self._layout = Layout.of(self._table, self._key_columns)

    def _prepared(self) -> Change:
        return self._change if self._change is not None else Change()

    @contextlib.contextmanager
    def _timed(self, *, certain: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Count the time of a commit. Unless it fails in a way that is `certain`, its files may be in use after it."""
        started = time.monotonic()
        self._committing = True
        try:
            yield
        except certain:
            self._committing = False
            raise
        finally:
            self._seconds += time.monotonic() - started


def _as_sent(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a file that a tap writes: those of the stream, and the one that the target asked for."""
    return {**columns, LOADED_AT: LOADED_AT}
