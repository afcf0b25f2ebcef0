"""The pieces of a table on their way: read by this run alone, or by other pods, too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tap_postgres_arrow import parquet
from tap_postgres_arrow.boundary import Key
from tap_postgres_arrow.parquet import Statement, Statistics
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.share import POLL_SECONDS, Queue, Share


@dataclass(frozen=True)
class Piece:
    """The rows that meet a condition, and how they are read. `number` tells shared pieces apart."""

    condition: str | None
    statement: Statement
    number: int = 0


@dataclass(frozen=True)
class Stored:
    """A piece that another pod has read: where its file is (None: there was no row), and the columns' statistics."""

    piece: Piece
    path: str | None
    statistics: Statistics


class Pieces(Protocol):
    """What is left to read of a table."""

    def take(self, most: int) -> Sequence[Piece]:
        """Return up to `most` pieces to read now, none once all are read; may wait for other pods."""

    def done(self, pieces: Sequence[Piece]) -> None:
        """Note that these are read."""

    def stored(self) -> Sequence[Stored]:
        """Return what other pods have read, once all is read."""

    def end(self) -> None:
        """Have nobody read what is left."""


class Own:
    """Pieces that only this run reads."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._left = list(pieces)

    def take(self, most: int) -> Sequence[Piece]:
        """Return the next."""
        now, self._left = self._left[:most], self._left[most:]
        return now

    def done(self, pieces: Sequence[Piece]) -> None:
        """There is nobody to tell."""

    def stored(self) -> Sequence[Stored]:
        """Return nothing."""
        return ()

    def end(self) -> None:
        """There is nobody to tell."""


class Shared:
    """Pieces in a queue that other pods take from. A piece whose reader dies is read by another."""

    def __init__(self, queue: Queue, pieces: Sequence[Piece], place: Mapping[str, Any], stream: str, own: int) -> None:
        """Post them; the first `own` are this run's. `place` is the target's word for where files are stored."""
        self._queue, self._pieces = queue, {piece.number: piece for piece in pieces}
        works = {
            number: {"stream": stream, "statement": asdict(piece.statement), "place": place}
            for number, piece in self._pieces.items()
        }
        self._first = list(works)[:own]
        queue.post(works, self._first)

    def take(self, most: int) -> Sequence[Piece]:
        """Return what nobody else reads; wait where others still read, and may fail."""
        found, self._first = self._first, []
        while not found:
            while len(found) < most and (claim := self._queue.take()) is not None:
                found.append(claim.number)
            if not found:
                if self._queue.is_done():
                    return ()
                time.sleep(POLL_SECONDS)
        return [self._pieces[number] for number in found]

    def done(self, pieces: Sequence[Piece]) -> None:
        """Tell the queue."""
        for piece in pieces:
            self._queue.done(piece.number, {})

    def stored(self) -> Sequence[Stored]:
        """Return what the queue holds of others: of this run's own pieces there is no result."""
        return [
            Stored(self._pieces[number], result["path"], result["statistics"])
            for number, result in self._queue.results().items()
            if result
        ]

    def end(self) -> None:
        """Empty the queue: where a value does not fit, the table is read again, and in another way."""
        self._queue.clear()


def divided(reading: Reading, wanted: Mapping[str, Any], readers: int, share: Share | None) -> Pieces:
    """Divide what is to be read among `readers` connections, as the target wants to have it, and the pods of `share`.

    Where the target names no place, its table takes no files of others: then all is read here.
    """
    place = wanted.get("place") if share is not None else None
    others = 0 if share is None or place is None else share.settings.pods
    conditions = parquet.pieces(reading.table, reading.condition, wanted["file_bytes"], readers + others)
    statements = [Statement.of(reading, condition, wanted) for condition in conditions]
    if share is None or place is None:
        return Own([Piece(*each) for each in zip(conditions, statements, strict=True)])
    queue = share.begin(reading.source.seen())
    numbers = share.numbers(len(conditions))
    pieces = [Piece(*each) for each in zip(conditions, statements, numbers, strict=True)]
    return Shared(queue, pieces, place, reading.table.stream, readers)


def judged(reading: Reading, found: Iterable[tuple[Piece, Statistics]]) -> list[Key]:
    """Return the greatest replication keys of what was read. UnrepresentableValueError where a value was changed."""
    keys = [parquet.judge(reading, piece.condition, statistics) for piece, statistics in found]
    return [key for key in keys if key is not None]
