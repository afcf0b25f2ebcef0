"""Rows in bulk: what a BATCH message announces.

Several connections read a large table in parallel, in one snapshot, each into its own pipe and file. Other pods also
read a very large table (share.py); the target adopts their files. The progress of a read is saved, and a later run can
continue it (progress.py).

`ask` carries no rows: the target answers when the table is known. The answer has the place where other pods may store
files, and what the target holds of a run that died. `stored` are files of other pods, `kept` those of that run.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater_tap import bulk, handover

from tap_postgres_arrow import parallel, parquet
from tap_postgres_arrow.boundary import Key
from tap_postgres_arrow.columns import UnrepresentableValueError
from tap_postgres_arrow.engine import Connection
from tap_postgres_arrow.pieces import Piece, Pieces, divided, judged
from tap_postgres_arrow.progress import Finished, Found, Progress, Resume
from tap_postgres_arrow.rate import Rate
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.share import Share

if TYPE_CHECKING:
    import pyarrow as pa


def hand_over(
    reading: Reading,
    batches: Mapping[str, Any],
    readers: int,
    share: Share | None = None,
    resume: Resume | None = None,
) -> Iterator[bulk.Announcement]:
    """Yield what holds the rows, to be announced before the next is asked for. `batches` is `batch_config`.

    `readers` is how many connections may read a table side by side; further ones are those of the pods of `share`.
    `resume` says how the progress of a large table is kept. Into a `pipe` goes what the target says that it wants,
    Parquet as the engine writes it, or an Arrow stream; the other formats are headwater_tap.bulk's.
    """
    if batches["encoding"]["format"] == "pipe" and parquet.is_possible(reading):
        root, name = bulk.place(reading.table.stream, batches)
        together = reading.condition is None and reading.table.has_versions
        size = reading.table.block_bytes
        shared = share if share is not None and together and share.is_worth(size) else None
        kept = resume if resume is not None and together and size > resume.piece_bytes else None
        yield from _Pieces(reading, root, name, parquet.readers(reading, readers)).pipes(shared, kept)
    else:
        yield from bulk.hand_over(reading.table.stream, partial(_arrow_schema, reading), reading.batches(), batches)


def _arrow_schema(reading: Reading) -> pa.Schema:
    from tap_postgres_arrow.arrow import arrow_schema

    return arrow_schema(reading.columns)


def _send_arrow(reading: Reading, path: Path, *others: Path) -> None:
    """Send all rows into the first pipe, none into the others: also where a row does not fit, and all come again."""
    schema = _arrow_schema(reading)
    unfit: UnrepresentableValueError | None = None
    try:
        handover.send(path, schema, reading.batches())
    except UnrepresentableValueError as error:
        unfit = error
    for other in others:  # the target opens each before it hears of the next attempt
        handover.send(other, schema, [])
    if unfit is not None:
        raise unfit


class _Pieces:
    """A table on its way in pieces, through a pipe for each file that the target will store."""

    def __init__(self, reading: Reading, root: Path, name: str, count: int) -> None:
        """Begin without a piece. There are as many pipes at once as there are readers: `count`."""
        self._reading, self._place, self._count = reading, (root, name), count
        self._pieces: Pieces | None = None
        self._progress: Progress | None = None
        self._rate = Rate(reading.table.relation, 0)
        self._seen: list[Key | None] = []
        self._rows = 0  # sent, with those that other pods and earlier runs have stored

    def pipes(self, share: Share | None, resume: Resume | None) -> Iterator[bulk.Announcement]:
        """Yield what holds the rows, until all are read; then the state advances."""
        now: Sequence[Piece] = ()
        with parallel.Readers(self._reading.source, self._count) as readers, ExitStack() as ending:
            if share is not None or resume is not None:
                yield from self._begin(readers, share, resume, ending)
            while self._pieces is None or (now := self._pieces.take(self._count)):
                with ExitStack() as stack:
                    paths = [
                        stack.enter_context(handover.named_pipe(self._new_path()))
                        for _ in range(self._count if self._pieces is None else len(now))
                    ]
                    answers = [stack.enter_context(handover.answer_beside(path)) for path in paths]
                    yield "pipe", [path.as_uri() for path in paths]
                    sys.stdout.flush()
                    wanted, *_ = [answer.read() for answer in answers]  # the same for all
                    if wanted["format"] == "arrow":
                        if self._pieces is not None:
                            raise ValueError(f"{self._reading.table.relation}: the target changed its mind midway")
                        _send_arrow(self._reading, *paths)
                        return
                    if self._pieces is None:
                        now = self._divide(wanted, None, ending).take(self._count)
                    found = readers.read(list(zip(now, paths, strict=True)), _write)
                self._done(now, [path.as_uri() for path in paths], found)
                if self._rate.is_due() or (self._progress is not None and self._progress.is_due()):
                    yield from self._others()
            yield from self._others()
        self._reading.end(max((key for key in self._seen if key is not None), default=None), self._rows)

    def _begin(
        self, readers: parallel.Readers, share: Share | None, resume: Resume | None, ending: ExitStack
    ) -> Iterator[bulk.Announcement]:
        """Ask the target what it wants and holds; divide what is then left to read."""
        path = self._new_path()
        with handover.answer_beside(path) as answer:
            yield "ask", [path.as_uri()]
            sys.stdout.flush()
            wanted = answer.read()
        if wanted["format"] == "arrow":
            return
        progress = self._progress = Progress.begin(self._reading, resume, wanted)
        if progress is not None:
            told = wanted["progress"]
            if files := progress.go_on(told, partial(_ask, readers, self._count, progress)):
                wanted["constants"] = told["constants"]
                yield "kept", files
                progress.tell()
            self._seen += progress.keys
            self._rows += progress.rows
        self._divide(wanted, share, ending)

    def _divide(self, wanted: Mapping[str, Any], share: Share | None, ending: ExitStack) -> Pieces:
        progress = self._progress
        pieces = self._pieces = divided(self._reading, wanted, self._count, share, progress)
        ending.callback(pieces.end)
        done = 0 if progress is None else sum(each.size for each in progress.blocks)
        rows = 0 if progress is None else progress.rows
        self._rate = Rate(self._reading.table.relation, done + pieces.weight, done, rows)
        return pieces

    def _done(self, pieces: Sequence[Piece], sent: Sequence[str], found: Sequence[parquet.Written]) -> None:
        """Judge what was read of some pieces, and count it in. `sent` is what the target knows their files by."""
        keys = judged(self._reading, zip(pieces, (statistics for _, statistics in found), strict=True))
        if self._pieces is not None:
            self._pieces.done(pieces)
        for piece, file, (rows, _), key in zip(pieces, sent, found, keys, strict=True):
            self._count_in(piece, file, rows, key)

    def _count_in(self, piece: Piece, file: str | None, rows: int, key: Key | None) -> None:
        self._seen.append(key)
        self._rows += rows
        self._rate.add(rows, piece.weight)
        if self._progress is not None:
            self._progress.done(piece.blocks, file, key)

    def _others(self) -> Iterator[bulk.Announcement]:
        """Yield what other pods have stored since; keep the progress, and say it in the log, where it is time to."""
        stored = [] if self._pieces is None else self._pieces.stored()
        keys = judged(self._reading, ((each.piece, each.statistics) for each in stored))
        if files := [each.path for each in stored if each.path is not None]:
            yield "stored", files
        for each, key in zip(stored, keys, strict=True):
            self._count_in(each.piece, each.path, each.rows, key)
        if self._progress is not None and self._progress.is_due():
            self._progress.tell()
        if self._rate.is_due():
            self._rate.say()

    def _new_path(self) -> Path:
        root, name = self._place
        return root / f"{name}-{uuid.uuid4()}.pipe"


def _ask(readers: parallel.Readers, count: int, progress: Progress, chosen: Sequence[Finished]) -> Sequence[Found]:
    """Return what has become of what an earlier run has read, asked by all `count` readers side by side."""
    found: list[Found] = []
    for start in range(0, len(chosen), count):
        found += readers.read(chosen[start : start + count], progress.count)
    return found


def _write(connection: Connection, what: tuple[Piece, Path]) -> parquet.Written:
    piece, path = what
    with handover.watched(path):
        return piece.statement.write(connection, path)
