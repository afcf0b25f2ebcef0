"""How far a long read has come, said in the log: rows, share, rate, time left."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

SECONDS = 10
"""Between two lines; a read that is shorter has none."""


class Rate:
    """What was read of `whole` (blocks, or pieces), of which an earlier run has left `done`, with its `rows`."""

    def __init__(self, relation: str, whole: int, done: int = 0, rows: int = 0) -> None:
        """Begin now."""
        self._relation, self._whole, self._done, self._rows = relation, whole, done, rows
        self._done_before, self._rows_before = done, rows
        self._begun = self._said = time.monotonic()

    def add(self, rows: int, done: int) -> None:
        """Count what was read."""
        self._rows += rows
        self._done += done

    def is_due(self) -> bool:
        """Whether it is time for a line."""
        return time.monotonic() - self._said >= SECONDS

    def say(self) -> None:
        """Write the line."""
        self._said = time.monotonic()
        logger.info("%s", self.line(self._said - self._begun))

    def line(self, seconds: float) -> str:
        """Return what is to be said so many seconds after the beginning."""
        read = self._done - self._done_before
        left = seconds * (self._whole - self._done) / read if read else None
        after = "" if left is None else f", about {duration(left)} left"
        return (
            f"Progress of {self._relation}: {self._rows:,} rows, {min(self._done / max(self._whole, 1), 1):.0%}, "
            f"{(self._rows - self._rows_before) / max(seconds, 0.001):,.0f} rows/s{after}"
        )


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 40 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
