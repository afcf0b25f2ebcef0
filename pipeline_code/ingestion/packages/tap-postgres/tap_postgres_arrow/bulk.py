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
from urllib.parse import unquote, urlparse

from headwater_tap import handover

from tap_postgres_arrow import parallel, parquet, settings
from tap_postgres_arrow.boundary import Key
from tap_postgres_arrow.engine import Connection
from tap_postgres_arrow.reading import Reading

if TYPE_CHECKING:
    import pyarrow.parquet as pq

FILE_BYTES = 64 << 20
"""Arrow bytes after which a batch file is closed and announced."""

Announcement = tuple[str, list[str]]
"""Format and addresses of a BATCH message."""


def hand_over(reading: Reading, batches: Mapping[str, Any], readers: int) -> Iterator[Announcement]:
    """Yield what holds the rows, to be announced before the next is asked for. `batches` is `batch_config`.

    `readers` is how many connections may read a table side by side.
    `parquet` are plain files of about FILE_BYTES below a local folder, for any target. `arrow` is an Arrow stream in
    a named pipe. `pipe` is one too, and the target says what it wants in it: Parquet as the engine writes it, or an
    Arrow stream. Pipes are announced before their first byte: the target reads while the tap writes.
    """
    root = _local_folder(batches["storage"]["root"])
    prefix = batches["storage"].get("prefix")
    # A table's name may hold what a file's may not.
    name = f"{prefix if prefix is not None else ''}{reading.table.stream}".replace("/", "_")
    match batches["encoding"]["format"]:
        case "arrow":
            yield from _arrow_pipe(reading, root, name)
        case "pipe":
            if parquet.is_possible(reading):
                yield from _pipes(reading, root, name, parquet.readers(reading, readers))
            else:
                yield from _arrow_pipe(reading, root, name)
        case "parquet":
            yield from _files(reading, root, name)
        case other:
            raise ValueError(f"batch_config.encoding.format {other!r}: {', '.join(settings.FORMATS)} are possible")


def _arrow_pipe(reading: Reading, root: Path, name: str) -> Iterator[Announcement]:
    with handover.named_pipe(root / f"{name}-{uuid.uuid4()}.arrow") as path:
        yield "arrow", [path.as_uri()]
        sys.stdout.flush()
        _send_arrow(reading, path)


def _send_arrow(reading: Reading, path: Path, *others: Path) -> None:
    """Send all rows into the first pipe, and none into the others."""
    from tap_postgres_arrow.arrow import arrow_schema

    schema = arrow_schema(reading.columns)
    handover.send(path, schema, reading.batches())
    for other in others:
        handover.send(other, schema, [])


def _pipes(reading: Reading, root: Path, name: str, count: int) -> Iterator[Announcement]:
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


def _files(reading: Reading, root: Path, name: str) -> Iterator[Announcement]:
    import pyarrow.parquet as pq

    from tap_postgres_arrow.arrow import arrow_schema

    schema = arrow_schema(reading.columns)
    writer: pq.ParquetWriter | None = None
    path = root
    written = 0
    try:
        for batch in reading.batches():
            if writer is None:
                path, written = root / f"{name}-{uuid.uuid4()}.parquet", 0
                # The target reads the file once and deletes it: cheap encoding, no statistics.
                writer = pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False, write_statistics=False)
            writer.write_batch(batch)
            written += batch.nbytes
            if written >= FILE_BYTES:
                writer.close()
                writer = None
                yield "parquet", [path.as_uri()]
        if writer is not None:
            writer.close()
            writer = None
            yield "parquet", [path.as_uri()]
    finally:
        if writer is not None:
            writer.close()
            path.unlink(missing_ok=True)


def _local_folder(root: str) -> Path:
    """Return the folder of a file:// URL or plain path, made if missing; ValueError for any other scheme."""
    url = urlparse(root)
    if url.scheme not in {"", "file"}:
        raise ValueError(f"batch_config.storage.root {root!r}: only a local folder (file:///…) can be used")
    folder = Path(unquote(url.path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
