"""Rows in bulk: what a BATCH message announces.

A large table is read by several connections side by side, in one snapshot, each into a pipe and a file of its own; a
very large one by other pods, too (share.py), whose files the target adopts.

`split` is a pipe whose target answers when the table is known, with the place where other pods may store files;
`stored` are such files.
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
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.share import Share

if TYPE_CHECKING:
    import pyarrow as pa


def hand_over(
    reading: Reading, batches: Mapping[str, Any], readers: int, share: Share | None = None
) -> Iterator[bulk.Announcement]:
    """Yield what holds the rows, to be announced before the next is asked for. `batches` is `batch_config`.

    `readers` is how many connections may read a table side by side; further ones are those of the pods of `share`. Into
    a `pipe` goes what the target says that it wants, Parquet as the engine writes it, or an Arrow stream; the other
    formats are headwater_tap.bulk's.
    """
    if batches["encoding"]["format"] == "pipe" and parquet.is_possible(reading):
        root, name = bulk.place(reading.table.stream, batches)
        together = reading.condition is None and reading.table.has_versions
        worth = share is not None and together and share.is_worth(reading.table.block_bytes)
        yield from _pipes(reading, root, name, parquet.readers(reading, readers), share if worth else None)
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


def _pipes(reading: Reading, root: Path, name: str, count: int, share: Share | None) -> Iterator[bulk.Announcement]:
    """A pipe for each file that the target will store, as many at once as there are readers: `count`."""
    pieces: Pieces | None = None
    now: Sequence[Piece] = ()
    seen: list[Key] = []
    with parallel.Readers(reading.source, count) as readers, ExitStack() as ending:
        while pieces is None or (now := pieces.take(count)):
            with ExitStack() as stack:
                paths = [
                    stack.enter_context(handover.named_pipe(root / f"{name}-{uuid.uuid4()}.pipe"))
                    for _ in range(count if pieces is None else len(now))
                ]
                answers = [stack.enter_context(handover.answer_beside(path)) for path in paths]
                yield "pipe" if share is None else "split", [path.as_uri() for path in paths]
                sys.stdout.flush()
                wanted, *_ = [answer.read() for answer in answers]  # the same for all
                if wanted["format"] == "arrow":
                    if pieces is not None:
                        raise ValueError(f"{reading.table.relation}: the target changed what it wants midway")
                    _send_arrow(reading, *paths)
                    return
                if pieces is None:
                    pieces = divided(reading, wanted, count, share)
                    ending.callback(pieces.end)
                    now = pieces.take(count)
                found = readers.read(list(zip(now, paths, strict=True)), _write)
            seen += judged(reading, zip(now, found, strict=True))
            pieces.done(now)
        stored = pieces.stored()
        seen += judged(reading, ((each.piece, each.statistics) for each in stored))
        if files := [each.path for each in stored if each.path is not None]:
            yield "stored", files
    reading.end(max(seen, default=None))


def _write(connection: Connection, what: tuple[Piece, Path]) -> parquet.Statistics:
    piece, path = what
    with handover.watched(path):
        return piece.statement.write(connection, path)
