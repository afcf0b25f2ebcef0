"""Rows in bulk: what a BATCH message announces.

A large table is read by several connections side by side, in one snapshot, each into a pipe and a file of its own.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater_tap import bulk, handover

from tap_postgres_arrow import parallel, parquet
from tap_postgres_arrow.boundary import Key
from tap_postgres_arrow.engine import Connection
from tap_postgres_arrow.reading import Reading

if TYPE_CHECKING:
    import pyarrow as pa


def hand_over(reading: Reading, batches: Mapping[str, Any], readers: int) -> Iterator[bulk.Announcement]:
    """Yield what holds the rows, to be announced before the next is asked for. `batches` is `batch_config`.

    `readers` is how many connections may read a table side by side. Into a `pipe` goes what the target says that it
    wants, Parquet as the engine writes it, or an Arrow stream; the other formats are headwater_tap.bulk's.
    """
    if batches["encoding"]["format"] == "pipe" and parquet.is_possible(reading):
        root, name = bulk.place(reading.table.stream, batches)
        yield from _pipes(reading, root, name, parquet.readers(reading, readers))
    else:
        yield from bulk.hand_over(reading.table.stream, partial(_arrow_schema, reading), reading.batches(), batches)


def _arrow_schema(reading: Reading) -> pa.Schema:
    from tap_postgres_arrow.arrow import arrow_schema

    return arrow_schema(reading.columns)


def _send_arrow(reading: Reading, path: Path, *others: Path) -> None:
    """Send all rows into the first pipe, and none into the others."""
    schema = _arrow_schema(reading)
    handover.send(path, schema, reading.batches())
    for other in others:
        handover.send(other, schema, [])


def _pipes(reading: Reading, root: Path, name: str, count: int) -> Iterator[bulk.Announcement]:
    """A pipe for each file that the target will store, as many at once as there are readers: `count`."""
    conditions: list[str | None] | None = None
    seen: list[Key] = []
    with parallel.Readers(reading.source, count) as readers:
        while conditions is None or conditions:
            with ExitStack() as stack:
                paths = [
                    stack.enter_context(handover.named_pipe(root / f"{name}-{uuid.uuid4()}.pipe")) for _ in range(count)
                ]
                answers = [stack.enter_context(handover.answer_beside(path)) for path in paths]
                yield "pipe", [path.as_uri() for path in paths]
                sys.stdout.flush()
                wanted, *_ = [answer.read() for answer in answers]  # the same for all
                if wanted["format"] == "arrow":
                    if conditions is not None:
                        raise ValueError(f"{reading.table.relation}: the target changed what it wants midway")
                    _send_arrow(reading, *paths)
                    return
                if conditions is None:
                    conditions = parquet.pieces(reading.table, reading.condition, wanted["file_bytes"], count)
                now, conditions = conditions[:count], conditions[count:]
                found = readers.read(list(zip(now, paths, strict=True)), partial(_write, reading, wanted))
            keys = [parquet.judge(reading, *each) for each in zip(now, found, strict=True)]
            seen += [key for key in keys if key is not None]
    reading.end(max(seen, default=None))


def _write(
    reading: Reading, layout: Mapping[str, Any], connection: Connection, piece: tuple[str | None, Path]
) -> parquet.Statistics:
    condition, path = piece
    with handover.watched(path):
        return parquet.write(reading, connection, condition, path, layout)
