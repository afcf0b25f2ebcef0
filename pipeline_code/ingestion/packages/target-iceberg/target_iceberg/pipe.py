"""Rows that a tap hands over as an Arrow stream, from a file or a named pipe, read ahead of their encoding."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

READ_AHEAD = 6
"""Batches held while one is encoded: the tap goes on reading the source meanwhile."""

POLL_MILLISECONDS = 50


class BrokenStreamError(RuntimeError):
    """The Arrow stream ended without its end mark: the tap died."""


def _open(path: Path) -> int:
    """Return a descriptor that has something to read, or its end. BrokenStreamError if the tap dies before that.

    A plain open() of a named pipe would wait for a writer for ever: a dead tap is seen by the end of our input.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    stream = select.poll()
    stream.register(descriptor, select.POLLIN)
    while not stream.poll(POLL_MILLISECONDS):
        if _input_has_ended() and not stream.poll(0):
            os.close(descriptor)
            raise BrokenStreamError(_broken(path))
    os.set_blocking(descriptor, True)
    return descriptor


def _input_has_ended() -> bool:
    """Whether the writer of standard input is gone."""
    messages = select.poll()
    messages.register(sys.stdin.fileno(), 0)
    return any(event & select.POLLHUP for _, event in messages.poll(0))


class _Reader:
    """A file for pyarrow that reads exactly what is asked for, into memory that Arrow then uses as it is."""

    closed = False

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        self.cut_off = False

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> pa.Buffer:
        buffer = pa.allocate_buffer(size)
        view = memoryview(buffer)
        got = 0
        while got < size:
            count = os.readv(self._descriptor, [view[got:]])
            if count == 0:
                self.cut_off = True
                break
            got += count
        return buffer.slice(0, got)

    read_buffer = read

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow IPC stream. Raises BrokenStreamError when its end mark is missing."""
    ahead: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(maxsize=READ_AHEAD)
    stopped = threading.Event()
    source = _Reader(path)

    def hand(item: pa.RecordBatch | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ahead.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def fill() -> None:
        try:
            with pa.ipc.open_stream(pa.PythonFile(source, mode="r")) as stream:
                for batch in stream:
                    hand(batch)
                    if stopped.is_set():
                        return
            hand(BrokenStreamError(_broken(path)) if source.cut_off else None)
        except (pa.ArrowException, OSError) as error:
            hand(BrokenStreamError(_broken(path)) if source.cut_off else error)

    thread = threading.Thread(target=fill, name="arrow-stream", daemon=True)
    thread.start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        source.close()


def _broken(path: Path) -> str:
    return f"the Arrow stream {path} ended without its end mark: the tap ended before it had sent all rows"
