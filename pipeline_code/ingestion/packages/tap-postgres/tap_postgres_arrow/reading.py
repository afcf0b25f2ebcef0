"""Reads one table: which columns are selected, where the read starts, and the state that follows."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from headwater_tap import apart as set_apart
from headwater_tap.selection import INCREMENTAL, ROWS_SENT, UNFINISHED, Selection

from tap_postgres_arrow import boundary, unfit
from tap_postgres_arrow.columns import Column, UnrepresentableValueError
from tap_postgres_arrow.engine import UNCHECKED, SourceError
from tap_postgres_arrow.source import Source, Table

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


def can_be_loaded(table: Table, selection: Selection) -> bool:
    """Whether what is selected of a table can be loaded; the log says what is left out of it, or why it is as a whole.

    A table that can't keeps no other back. Where it has a contract, headwater-ingest misses its stream.
    """
    logger = logging.getLogger(__name__)
    reason = table.left_out(tuple(each for each in table.columns if each.name in selection.schema["properties"]))
    if reason is not None:
        logger.warning(reason)
    else:
        for note in table.notes:
            logger.warning("%s: %s", table.relation, note)
    return reason is None


class Reading:
    """Reads one table inside the run's snapshot. The state advances only when the whole table was read."""

    engine_writes = True
    """Whether the engine may write the rows itself, see parquet.py: they are the table's, and nothing else."""

    def __init__(
        self, source: Source, table: Table, selection: Selection, state: dict[str, Any], late_window: dt.timedelta
    ) -> None:
        """Read `selection` of `table` from where `state`, its Singer bookmark, says. `state` is changed in place."""
        self.source, self.table, self._selection, self._state = source, table, selection, state
        self._late_window = late_window
        self._incremental = selection.method == INCREMENTAL and table.has_versions
        self._unfit: str | None = None

    def begin(self, position: dict[str, Any] | None) -> None:
        """Mark the state as that of a stream that is being read.

        `position` is what the target has committed, None if it did not say: it wins over what a run remembered.
        """
        if position is not None and self._incremental:
            self._state.clear()
            self._state.update(position)
        self._state["progress_markers"] = dict(UNFINISHED)

    @property
    def is_complete(self) -> bool:
        """Whether all rows are read, so that they replace what the target holds: always, or for the first time.

        Also where the key is a number and the source's history another one: it tells nothing of what is new there.
        """
        column, bookmark = self.key_column, self._bookmark()
        if column is None or bookmark is None:
            return True
        return boundary.changed_since(bookmark, self.source.snapshot, column, self._late_window) is None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The selected columns, in the source's order."""
        if gone := self._selection.catalogued - {column.name for column in self.table.columns}:
            raise ValueError(
                f"{self.table.relation}: the catalog names columns that the table does not have: {sorted(gone)}. "
                "Discover again (meltano run --refresh-catalog)."
            )
        return tuple(column for column in self.table.columns if column.name in self._selection.schema["properties"])

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """Those of the selected columns that the source's table has."""
        return self.columns

    def complete(
        self, send: Callable[[], Iterator[T]], write: Callable[[dict[str, Any]], None], state: Callable[[], None]
    ) -> Iterator[T]:
        """Yield what `send` does; `write` takes messages with the rows that don't fit, `state` writes the state.

        A read that meets such a row is begun again without them, and the target told to forget what it has got. Where
        a read would not notice (text that is no UTF-8), they are looked for before it. A SourceError names the table.
        """
        try:
            yield from self._complete(send, write, state)
        except SourceError as error:
            raise SourceError(f"{self.table.relation}: {error}") from error

    def _complete(
        self, send: Callable[[], Iterator[T]], write: Callable[[dict[str, Any]], None], state: Callable[[], None]
    ) -> Iterator[T]:
        apart = self._set_apart() if self.source.encoding == UNCHECKED else []
        try:
            yield from send()
        except UnrepresentableValueError:
            if apart or not (apart := self._set_apart()):
                raise
            self._state["progress_markers"] = {**UNFINISHED, "attempt": 2}
            state()
            yield from send()
        for message in set_apart.messages(apart):
            write(message)

    def _set_apart(self) -> list[dict[str, Any]]:
        """Leave out the rows that don't fit from now on; return them."""
        found = list(unfit.records(self.source, self.table, self.own_columns, self.condition))
        self._unfit = unfit.condition(self.own_columns, self.source.encoding) if found else None
        return found

    @property
    def condition(self) -> str | None:
        """SQL condition of the rows to send; None for all."""
        changed = self._changed()
        if self._unfit is None:
            return changed
        return f"{self._unfit} is not true" + ("" if changed is None else f" and ({changed})")

    def _changed(self) -> str | None:
        column, bookmark = self.key_column, self._bookmark()
        if column is None or bookmark is None:
            return None
        snapshot = self.source.snapshot
        if not boundary.is_comparable(bookmark, snapshot):
            logging.getLogger(__name__).warning(
                "%s: the source was restored, replaced or failed over since the last run (system %s, timeline %s; then "
                "%s, %s): reading by %s alone, rows of the last %s are sent again",
                self.table.relation, snapshot.system, snapshot.timeline, bookmark.system, bookmark.timeline,
                column.name, self._late_window,
            )  # fmt: skip
        return boundary.changed_since(bookmark, snapshot, column, self._late_window)

    @property
    def key_column(self) -> Column | None:
        """The replication key; None where the table is read in full."""
        if not self._incremental:
            return None
        for column in self.table.columns:
            if column.name == self._selection.replication_key and column.can_replicate:
                return column
        raise ValueError(
            f"{self.table.relation}: replication key {self._selection.replication_key!r} is not an integer, date or "
            f"timestamp column of the table. Its columns: {[column.name for column in self.table.columns]}."
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to send; after the last, advance the state."""
        import pyarrow.compute as pc

        from tap_postgres_arrow import arrow

        columns, key = self.columns, self.key_column
        seen: boundary.Key | None = None
        rows = 0
        for batch in arrow.read(self.source, self.table, columns, self.condition):
            if batch.num_rows == 0:
                continue
            if key is not None:
                greatest = pc.max(batch.column(columns.index(key))).as_py()
                seen = greatest if seen is None else max(seen, greatest) if greatest is not None else seen
            rows += batch.num_rows
            yield batch
        self.end(seen, rows)

    def end(self, seen: boundary.Key | None, rows: int) -> None:
        """Advance the state after the last of `rows`; `seen` is their greatest replication key, None without any."""
        bookmark, key = self._bookmark(), self.key_column
        self._state.pop("progress_markers", None)
        self._state[ROWS_SENT] = rows
        if key is not None:
            following = boundary.advanced(bookmark, seen, self.source.snapshot, key)
            if following is not None:
                self._state.update(following.to_state(key.name))

    def _bookmark(self) -> boundary.Bookmark | None:
        column = self.key_column
        return boundary.bookmark_from_state(self._state, column) if column is not None else None
