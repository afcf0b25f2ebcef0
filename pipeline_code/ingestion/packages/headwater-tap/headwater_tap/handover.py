"""Passes rows to the target through a named pipe: nothing is written to a disk."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ANSWER = ".answer"
"""Suffix of the second pipe, in which the target says what it wants to have in the first."""

PIPE_BYTES = 1 << 20
"""Capacity asked of the pipe; Linux lets any user have 1 MiB (fs.pipe-max-size)."""
LONGEST_POLL_SECONDS = 0.05
_GONE = "the target ended before it read the rows that the last BATCH message announced"


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
    import pyarrow as pa

    with os.fdopen(_open_for_writing(path), "wb", buffering=0) as pipe, pa.ipc.new_stream(pipe, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


class Answer:
    """What the target says that it wants to have in a pipe: one line of JSON in a second pipe."""

    def __init__(self, descriptor: int) -> None:
        """Read from `descriptor`, which does not block."""
        self._descriptor = descriptor

    def read(self) -> dict[str, Any]:
        """Wait for the answer and return it. NoReaderError if the target ends before."""
        said = b""
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        while not said.endswith(b"\n"):
            got = b""
            if any(event & select.POLLIN for _, event in waiting.poll(LONGEST_POLL_SECONDS * 1000)):
                got = os.read(self._descriptor, 1 << 16)
            if not got and _output_is_closed():
                raise NoReaderError(_GONE)
            said += got
        return dict(json.loads(said))


@contextmanager
def answer_beside(path: Path) -> Iterator[Answer]:
    """Make the second pipe of a hand-over; enter before the first is announced. It is removed at the end."""
    with named_pipe(path.with_name(path.name + ANSWER)) as beside:
        descriptor = os.open(beside, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield Answer(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def watched(path: Path) -> Iterator[None]:
    """While something that can't be interrupted writes into the pipe: end its waiting if the reader is gone.

    A writer that opens a pipe waits for a reader; one that writes is told by the system itself.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LONGEST_POLL_SECONDS):
            if _output_is_closed():
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))

    watcher = threading.Thread(target=watch, name="reader-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


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
            raise NoReaderError(_GONE)
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_POLL_SECONDS)


def _output_is_closed() -> bool:
    """Whether standard output is a pipe whose reader is gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(0))
