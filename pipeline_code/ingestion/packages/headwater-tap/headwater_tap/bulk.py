"""Record batches in bulk: what a BATCH message announces."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater_tap import handover
from headwater_tap.command import FORMATS, local_folder

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FILE_BYTES = 64 << 20
"""Arrow bytes after which a batch file is closed and announced."""

Announcement = tuple[str, list[str]]
"""Format and addresses of a BATCH message."""


def place(stream: str, config: Mapping[str, Any]) -> tuple[Path, str]:
    """Return the folder of a stream's pipes and files, and what their names begin with. `config` is `batch_config`."""
    root, prefix = local_folder(config["storage"]["root"]), config["storage"].get("prefix")
    # A stream's name may hold what a file's may not.
    return root, f"{prefix if prefix is not None else ''}{stream}".replace("/", "_")


def hand_over(
    stream: str, schema: Callable[[], pa.Schema], batches: Iterable[pa.RecordBatch], config: Mapping[str, Any]
) -> Iterator[Announcement]:
    """Yield what holds a stream's rows, to be announced before the next is asked for. `config` is `batch_config`.

    `schema` is called after a pipe is announced: the target need not wait for what it imports.
    `parquet` are plain files of about FILE_BYTES below a local folder, for any target. `arrow` and `pipe` are an Arrow
    stream in a named pipe, announced before its first byte: the target reads while the tap writes.
    """
    root, name = place(stream, config)
    match config["encoding"]["format"]:
        case "arrow" | "pipe":
            with handover.named_pipe(root / f"{name}-{uuid.uuid4()}.arrow") as path:
                yield "arrow", [path.as_uri()]
                sys.stdout.flush()
                handover.send(path, schema(), batches)
        case "parquet":
            yield from _files(root, name, schema(), batches)
        case other:
            raise ValueError(f"batch_config.encoding.format {other!r}: {', '.join(FORMATS)} are possible")


def _files(root: Path, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Announcement]:
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    path, written = root, 0
    try:
        for batch in batches:
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
