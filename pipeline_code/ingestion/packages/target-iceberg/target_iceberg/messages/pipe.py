"""The data that a tap sends through a named pipe, read ahead: an Arrow stream (also from a file), or Parquet."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from target_iceberg import memory

if TYPE_CHECKING:
    import pyarrow as pa

READ_AHEAD = 6
"""Batches held while one is encoded: the tap goes on reading the source meanwhile."""

POLL_MILLISECONDS = 50
PIPE_BYTES = 1 << 20
"""Capacity asked of a pipe, and size of a chunk; Linux lets any user have 1 MiB (fs.pipe-max-size)."""
CHUNKS_AHEAD = 8
"""Chunks of a Parquet file held while the table is looked up: a third of a second of one of the tap's readers."""
ANSWER = ".answer"
"""Suffix of the pipe in which the tap is told what to send."""

T = TypeVar("T")


class BrokenStreamError(RuntimeError):
    """The Arrow stream ended without its end mark: the tap died."""


def _open(path: Path) -> int:
    """Return a descriptor that has something to read, or its end. BrokenStreamError if the tap dies before that.

    A plain open() of a named pipe would wait for a writer for ever: a dead tap is seen by the end of our input.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _wait(descriptor, path)
    except BrokenStreamError:
        os.close(descriptor)
        raise
    return descriptor


def _wait(descriptor: int, path: Path) -> None:
    """Wait for the first byte, or the end; after it, reading blocks."""
    stream = select.poll()
    stream.register(descriptor, select.POLLIN)
    while not stream.poll(POLL_MILLISECONDS):
        if _input_has_ended() and not stream.poll(0):
            raise BrokenStreamError(_broken(path))
    os.set_blocking(descriptor, True)


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
        import pyarrow as pa

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
    import pyarrow as pa

    source = _Reader(path)
    memory.keep()

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with pa.ipc.open_stream(pa.PythonFile(source, mode="r")) as stream:
                yield from stream
        except (pa.ArrowException, OSError) as error:
            raise BrokenStreamError(_broken(path)) if source.cut_off else error from error
        if source.cut_off:
            raise BrokenStreamError(_broken(path))

    ahead = _Ahead(batches, READ_AHEAD)
    try:
        yield from ahead
    finally:
        ahead.stop()
        source.close()


class ParquetPipe:
    """The bytes of a Parquet file that a tap writes; they are read from the beginning on, whoever takes them when."""

    def __init__(self, path: Path) -> None:
        """Open the pipe, tell nobody."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with contextlib.suppress(OSError):  # not more than the system allows
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._ahead: _Ahead[bytes]

    def begin(self, layout: Mapping[str, Any]) -> None:
        """Answer the tap, and begin to read."""
        answer(self._path, layout)
        self.start()

    def start(self) -> None:
        """Begin to read what the tap writes unasked."""
        self._ahead = _Ahead(self._read, CHUNKS_AHEAD)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; that they are a complete file is for the reader to see, by their end."""
        try:
            yield from self._ahead
        finally:
            self._ahead.stop()
            os.close(self._descriptor)

    def _read(self) -> Iterator[bytes]:
        _wait(self._descriptor, self._path)
        chunk = bytearray(PIPE_BYTES)
        view, size = memoryview(chunk), 0
        while got := os.readv(self._descriptor, [view[size:]]):
            size += got
            if size == PIPE_BYTES:
                yield bytes(chunk)
                size = 0
        yield bytes(view[:size])


def answer(path: Path, layout: Mapping[str, Any]) -> None:
    """Tell the tap what it is to write into the pipe at `path`. BrokenStreamError if it is gone."""
    try:
        descriptor = os.open(path.with_name(path.name + ANSWER), os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:  # nobody listens, or the pipe was removed
        raise BrokenStreamError(_broken(path)) from error
    os.set_blocking(descriptor, True)  # an answer may be longer than a pipe holds
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(json.dumps(layout).encode() + b"\n")


class _Ahead(Iterator[T]):
    """Takes items from a generator in a thread of its own, up to `most` before they are asked for."""

    def __init__(self, items: Callable[[], Iterator[T]], most: int) -> None:
        self._queue: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=most)
        self._stopped = threading.Event()
        threading.Thread(target=self._fill, args=(items,), name="read-ahead", daemon=True).start()

    def __next__(self) -> T:
        item = self._queue.get()
        if item is None:
            raise StopIteration
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        """Take no more."""
        self._stopped.set()

    def _fill(self, items: Callable[[], Iterator[T]]) -> None:
        try:
            for item in items():
                self._hand(item)
                if self._stopped.is_set():
                    return
            self._hand(None)
        except Exception as error:
            self._hand(error)

    def _hand(self, item: T | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return


def _broken(path: Path) -> str:
    return f"{path} ended without its end mark: the tap ended before it had sent all rows"
