"""Where a load's table stood when the load began. The load may be committed only while the table still stands there."""

from __future__ import annotations

from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from target_iceberg.commit import publish
from target_iceberg.commit.progress import Progress, RefusedLoadError
from target_iceberg.state.position import Position, read_position, settled


class Base:
    """The last committed load of a table, before one of `run_id`, whose number is `number`; and what is kept of it."""

    def __init__(
        self, catalog: Catalog, table: Table, *, stream: str, run_id: str, start: dict[str, Any] | None
    ) -> None:
        """Look where the table stands. What an earlier run left staged is published or dropped first.

        `start` is the bookmark that the tap says it reads from; None if it says nothing about that.
        """
        self._catalog, self.table, self._stream, self._run_id, self._start = catalog, table, stream, run_id, start
        publish.settle(catalog, table)
        self.progress = Progress(table, run_id)
        self._stood = read_position(table.metadata)
        self.number = 1 if self._stood is None else self._stood.load + 1

    @property
    def name(self) -> str:
        """The table's name, for people."""
        return ".".join(self.table.name())

    def next(self, bookmark: dict[str, Any]) -> Position:
        """Return where the table stands after the load; `bookmark` is the tap's at its end."""
        return Position(self._stream, self.number, self._run_id, settled(bookmark))

    def bookmark(self) -> dict[str, Any] | None:
        """Return the bookmark that the table stands at now; None if only the tap's own state can tell."""
        self.table.refresh()
        position = read_position(self.table.metadata)
        if position is not None:
            return position.bookmark
        # A table that never had a row has no commit to tell where it stands: what a tap has read of it (rows that were
        # all set aside, or of a table that was dropped since) is read again.
        return {} if self._start is not None and self.table.current_snapshot() is None else None

    def check_start(self, *, replaces: bool) -> None:
        """Raise RefusedLoadError if the tap did not begin where the table stands, or it is another stream's."""
        if self._stood is not None and self._stood.stream != self._stream:
            raise RefusedLoadError(
                f"table {self.name} holds stream {self._stood.stream!r}, and {self._stream!r} would "
                "be the same table: rename one of them; or drop the table, if it is the same stream by another name"
            )
        if self._start is None or replaces:
            return
        if self._stood is not None:
            stands = self._stood.bookmark
        elif self.table.current_snapshot() is None:
            stands = {}
        else:
            return  # filled by others: only the tap's state knows
        if self._start != stands:
            raise RefusedLoadError(
                f"table {self.name} stands at {stands or 'its beginning'}, the tap began at "
                f"{self._start or 'its beginning'}: rows would be doubled or lost. Nothing was committed, and the "
                "state now says what the table says: run again."
            )

    def check_unmoved(self) -> None:
        """Raise RefusedLoadError if another load was committed since this one began; drop what one has staged."""
        publish.settle(self._catalog, self.table, self._run_id)
        self.progress.check()
        now = read_position(self.table.metadata)
        if now != self._stood:
            other = "none" if now is None else f"{now.load} of run {now.run_id}"
            raise RefusedLoadError(
                f"table {self.name}: two runs at once. This one began after load "
                f"{self.number - 1}, the table's last load is now {other}. Nothing was committed: run again."
            )

    def landed(self) -> bool:
        """Whether the table says that this load was committed, although the answer to the commit was lost."""
        now = read_position(self.table.metadata)
        return now is not None and (now.load, now.run_id) == (self.number, self._run_id)
