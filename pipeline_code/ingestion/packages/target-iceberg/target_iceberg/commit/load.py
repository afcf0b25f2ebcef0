"""One load of one table: data files written as rows arrive, one snapshot at the end."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from target_iceberg.commit import publish
from target_iceberg.commit.base import Base
from target_iceberg.commit.progress import RefusedLoadError
from target_iceberg.commit.snapshot import Attempt, Change, commit
from target_iceberg.commit.tables import ensure_table
from target_iceberg.commit.writer import Writer
from target_iceberg.files.part import Layout
from target_iceberg.files.partitioning import Arrangement, arrange
from target_iceberg.rows.mode import WriteMode
from target_iceberg.state.report import LoadResult

APPEND = WriteMode()
AS_IT_IS = Arrangement()


class Load(Writer):
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
        self._catalog, self._namespace, self.table_name, self.stream = catalog, namespace, name, stream
        self._key_columns, self._arrangement, self._mode = keys, arrangement, mode
        self._change: Change | None = None
        self._committing = False
        self.done = False  # committed or published
        layout = self._use(schema)
        base = Base(catalog, layout.table, stream=stream, run_id=run_id, start=start)
        super().__init__(base, layout, mode, run_id=run_id, loaded_at=loaded_at)

    def evolve(self, schema: Schema) -> None:
        """Grow the table because the stream's schema changed midway; rows so far keep theirs."""
        self._part.close()
        self._layout = self._use(schema)
        self._base.table = self._layout.table
        self._part = self.part()

    def prepare(self, bookmark: dict[str, Any]) -> bool:
        """Finish all files; return whether there is anything to commit. `bookmark` is where the stream then stands.

        RefusedLoadError where the rows do not continue the table, ValueError where they do not fit its way of writing.
        """
        started = time.monotonic()
        self._close()
        base = self._base
        base.check_start(replaces=self.replaces)
        self._position = base.next(bookmark)
        self._table.refresh()
        base.check_unmoved()
        self._change = self._made()
        changes = not self._change.is_empty_for(self._table)
        if not changes:
            base.progress.drop(base.check_unmoved)
            self._remove_unused(())
        self._seconds += time.monotonic() - started
        return changes

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
            self._base.check_unmoved()
            return publish.load_attempt(table, change, self._position, self._mode.write)

        with self._timed(certain=(RefusedLoadError, CommitFailedException)):
            commit(table, attempt, self._base.landed)
        self._end()
        return self.result()

    def stage(self, anchor: str) -> None:
        """Commit what `prepare` has found without showing it to readers. `anchor` is the run's first table."""
        change = self._prepared()
        summary = publish.staging(self._table, self._position, anchor, self._mode.write, replaces=change.replaces)
        with self._timed(certain=(RefusedLoadError, CommitFailedException)):
            publish.stage(self._table, change, summary, self._base.check_unmoved)

    def publish(self) -> LoadResult:
        """Show readers what was staged. RefusedLoadError where another run has dropped it meanwhile."""
        with self._timed():
            publish.publish(self._table, self._run_id)
        self._end()
        return self.result()

    def _end(self) -> None:
        """Note that the load is committed."""
        self.done = True
        self._remove_unused(self._prepared().data)

    def result(self) -> LoadResult:
        """Return what the load has done so far."""
        change = self._prepared()
        current = self._table.current_snapshot()
        return LoadResult(
            table=self._base.name,
            rows=self.received,
            files=len(change.data) + len(change.deletes),
            bytes=sum(file.file_size_in_bytes for file in (*change.data, *change.deletes)),
            snapshot_id=None if current is None else current.snapshot_id,
            seconds=self._seconds,
        )

    def position(self) -> dict[str, Any] | None:
        """Return the bookmark that the table stands at now; None if only the tap's own state can tell."""
        return self._base.bookmark()

    def discard(self) -> None:
        """Delete the files of a load that is not committed. Where that is not certain, they are kept."""
        if not self._committing:
            super().discard()

    def withdraw(self) -> bool:
        """Take back what was staged, and delete its files. Returns False where it was published after all."""
        if not publish.drop(self._table, self._run_id):
            return False
        self._committing = False
        self.discard()
        return True

    def has_rows(self) -> bool:
        """Whether readers see any row of the table now."""
        snapshot = self._table.current_snapshot()
        total = None if snapshot is None or snapshot.summary is None else snapshot.summary.get("total-records")
        return snapshot is not None and total != "0"

    @property
    def _table(self) -> Table:
        return self._base.table

    def _use(self, schema: Schema) -> Layout:
        wanted = self._mode.schema(self.stream, schema, self._key_columns)
        table = ensure_table(self._catalog, self._namespace, self.table_name, wanted)
        return Layout.of(arrange(table, self._arrangement, merges=self._mode.merges), self._key_columns)

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
