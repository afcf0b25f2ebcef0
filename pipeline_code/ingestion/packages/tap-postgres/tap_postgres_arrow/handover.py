"""Rows handed to the target as an Arrow stream through a named pipe: no byte of them touches a disk."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

PIPE_BYTES = 1 << 20
"""Capacity asked of the pipe; Linux lets any user have 1 MiB (fs.pipe-max-size)."""
LONGEST_POLL_SECONDS = 0.05


class NoReaderError(RuntimeError):
    """The process that reads the tap's messages ended before it took the rows."""


@contextmanager
def named_pipe(path: Path) -> Iterator[Path]:
    """Make a named pipe that only this user can open; it is removed at the end."""
    os.mkfifo(path, mode=0o600)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def send(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write an Arrow IPC stream into the pipe, once someone reads it. NoReaderError if the reader ends before that.

    A reader that goes away later is a BrokenPipeError. Only a complete stream has the end-of-stream mark.
    """
    with os.fdopen(_open_for_writing(path), "wb", buffering=0) as pipe, pa.ipc.new_stream(pipe, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _open_for_writing(path: Path) -> int:
    """Return a blocking descriptor. Opened without blocking, so that a dead reader is noticed."""
    wait = 0.001
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads yet
                raise
        else:
            os.set_blocking(descriptor, True)
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            return descriptor
        if _output_is_closed():
            raise NoReaderError("the target ended before it read the rows that the last BATCH message announced")
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_POLL_SECONDS)


def _output_is_closed() -> bool:
    """Whether standard output is a pipe whose reader is gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(0))
