"""Several clients that ask at once. Standard library only: it also runs in the environment of DuckDB."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Ask = Callable[[str], object]


@dataclass(frozen=True)
class Crowd:
    """What clients got together: answers, each with its milliseconds, and the seconds until the last one had ended."""

    ms: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.ms) / self.seconds


def crowd(asks: Sequence[Ask], queries: Sequence[Sequence[str]], seconds: float) -> Crowd:
    """Let each client ask its queries in turn, again and again, for so many seconds; each asks at least one.

    `asks` has a connection for each client. The first error of any client is raised.
    """
    found: list[list[float]] = [[] for _ in asks]
    errors: list[Exception] = []
    begun = threading.Barrier(len(asks) + 1)
    end = [0.0]

    def work(client: int) -> None:
        begun.wait()
        number = 0
        try:
            while number == 0 or (time.monotonic() < end[0] and not errors):
                started = time.perf_counter()
                asks[client](queries[client][number % len(queries[client])])
                found[client].append((time.perf_counter() - started) * 1000)
                number += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in range(len(asks))]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    end[0] = started + seconds
    begun.wait()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Crowd([ms for each in found for ms in each], time.monotonic() - started)
