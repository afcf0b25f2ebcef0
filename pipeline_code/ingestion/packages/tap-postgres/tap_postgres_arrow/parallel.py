"""Reads the pieces of a table in parallel: each reader has its own connection, and all use the run's one snapshot."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

from tap_postgres_arrow.engine import Connection, SourceError
from tap_postgres_arrow.source import Source

P = TypeVar("P")
R = TypeVar("R")


class Readers:
    """The run's connection and further ones beside it, which the context closes."""

    def __init__(self, source: Source, count: int) -> None:
        """Begin to connect the further ones, so that they are there when the target has answered."""
        self._source = source
        self._threads = ThreadPoolExecutor(count, "reader")
        shared = source.share() if count > 1 else ""
        self._further = [self._threads.submit(source.connect, shared) for _ in range(1, count)]
        self._busy: list[Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._interrupt()
        self._threads.shutdown()
        for each in self._further:
            if each.exception() is None:
                each.result().close()

    def read(self, pieces: Sequence[P], one: Callable[[Connection, P], R]) -> list[R]:
        """Return what `one` returns for each piece, in their order. There are no more pieces than readers.

        A further connection that the source refuses costs time only: those that are there read its piece too. Any
        other error ends all readers, and is raised.
        """
        if len(pieces) == 1:
            return [one(self._source.connection, pieces[0])]
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(pieces)):
            waiting.put(number)
        found: dict[int, R] = {}

        def work(connection: Connection) -> None:
            self._busy.append(connection)
            while (number := _next(waiting)) is not None:
                found[number] = one(connection, pieces[number])

        def work_beside(connecting: Future[Connection]) -> None:
            try:
                connection = connecting.result()
            except SourceError as error:
                logging.getLogger(__name__).warning("reading with a connection less: %s", error)
                return
            work(connection)

        working = [self._threads.submit(work, self._source.connection)]
        working += [self._threads.submit(work_beside, each) for each in self._further[: len(pieces) - 1]]
        try:
            for each in wait(working, return_when=FIRST_EXCEPTION).done:
                each.result()
        except BaseException:
            while _next(waiting) is not None:
                pass
            self._interrupt()  # at a signal, too: in a thread the engine hears of none
            wait(working)
            raise
        self._busy.clear()
        return [found[number] for number in range(len(pieces))]

    def _interrupt(self) -> None:
        for connection in self._busy:
            connection.interrupt()


def _next(waiting: queue.SimpleQueue[int]) -> int | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None
