"""The pieces of a table on their way: read by this run alone, or by other pods, too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from tap_postgres_arrow import parquet
from tap_postgres_arrow.blocks import Blocks, gaps
from tap_postgres_arrow.boundary import Key
from tap_postgres_arrow.parquet import Statement, Statistics
from tap_postgres_arrow.progress import Progress
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.share import POLL_SECONDS, Queue, Share


@dataclass(frozen=True)
class Piece:
    """The rows that meet a condition, and how they are read. `number` tells shared pieces apart.

    Once it is read, the target has all rows of `blocks`; None where nobody needs to know. `weight` is how much of the
    table it is.
    """

    condition: str | None
    statement: Statement
    blocks: Blocks | None = None
    weight: int = 1
    number: int = 0


@dataclass(frozen=True)
class Stored:
    """A piece that another pod has read: its file (None: there was no row), its rows, and the columns' statistics."""

    piece: Piece
    path: str | None
    rows: int
    statistics: Statistics


class Pieces(Protocol):
    """What is left to read of a table; `weight` is that of all its pieces."""

    weight: int

    def take(self, most: int) -> Sequence[Piece]:
        """Return up to `most` pieces to read now, none once all are read; may wait for other pods."""

    def done(self, pieces: Sequence[Piece]) -> None:
        """Note that these are read."""

    def stored(self) -> Sequence[Stored]:
        """Return what other pods have read since this was asked before."""

    def end(self) -> None:
        """Have nobody read what is left."""


class Own:
    """Pieces that only this run reads."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._left = list(pieces)
        self.weight = sum(piece.weight for piece in pieces)

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
        self.weight = sum(piece.weight for piece in pieces)
        self._told: set[int] = set()
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
        found = {
            number: result for number, result in self._queue.results().items() if result and number not in self._told
        }
        self._told.update(found)
        return [
            Stored(self._pieces[number], result["path"], result["rows"], result["statistics"])
            for number, result in found.items()
        ]

    def end(self) -> None:
        """Empty the queue: where a value does not fit, the table is read again, and in another way."""
        self._queue.clear()


def divided(
    reading: Reading, wanted: Mapping[str, Any], readers: int, share: Share | None, progress: Progress | None = None
) -> Pieces:
    """Divide what is to be read among `readers` connections, as the target wants to have it, and the pods of `share`.

    Where the target names no place, its table takes no files of others: then all is read here. What `progress` has
    taken over of an earlier run is left out.
    """
    place = wanted.get("place") if share is not None else None
    others = 0 if share is None or place is None else share.settings.pods
    if progress is None:
        conditions = parquet.pieces(reading.table, reading.condition, wanted["file_bytes"], readers + others)
        pieces = [Piece(each, Statement.of(reading, each, wanted)) for each in conditions]
    else:
        pieces = _left(reading, wanted, readers + others, progress)
    if share is None or place is None:
        return Own(pieces)
    queue = share.begin(reading.source.seen())
    numbered = [replace(each, number=number) for each, number in zip(pieces, share.numbers(len(pieces)), strict=True)]
    return Shared(queue, numbered, place, reading.table.stream, readers)


def _left(reading: Reading, wanted: Mapping[str, Any], readers: int, progress: Progress) -> list[Piece]:
    """Return what is left to read: blocks that are not read, and rows that were added to others."""
    table = reading.table
    count = parquet.number_of_pieces(table, wanted["file_bytes"], readers, progress.piece_bytes)
    blocks = gaps(table.depth, progress.blocks, -(-table.depth // count))
    left = [(each.condition(to_the_end=each is blocks[-1]), each, each.size) for each in blocks]
    left += [(condition, each, 0) for each, condition in progress.added.items()]
    return [
        Piece(condition, Statement.of(reading, condition, wanted), each, weight) for condition, each, weight in left
    ]


def judged(reading: Reading, found: Iterable[tuple[Piece, Statistics]]) -> list[Key | None]:
    """Return the greatest replication key of each piece. UnrepresentableValueError where a value was changed."""
    return [parquet.judge(reading, piece.condition, statistics) for piece, statistics in found]
