"""What a run has sent from its last minutes, so that the next run can read them again and send nothing twice.

A service shows some changes later than their own time. So a run begins some time before the end of the last one.
"""

from __future__ import annotations

from collections.abc import Mapping

SEEN_MOST = 1_000
"""Entries of a bookmark, about 30 bytes each. Of more, the oldest may be sent once more."""


class Sent:
    """Collects what a run sends, for its bookmark: id → seconds since 1970 of the change."""

    def __init__(self, begin: int, before: Mapping[str, int]) -> None:
        """Take where the next run's overlap begins, and what the run before had sent of it."""
        self._begin = begin
        self._seen = {each: second for each, second in before.items() if second >= begin}

    def add(self, identifier: str, second: int) -> None:
        """Note a change that was sent."""
        if second >= self._begin:
            self._seen[identifier] = second
            if len(self._seen) > 2 * SEEN_MOST:
                self._seen = self._newest()

    def seen(self) -> dict[str, int]:
        """Return what the bookmark is to hold."""
        return self._newest()

    def _newest(self) -> dict[str, int]:
        return dict(sorted(self._seen.items(), key=lambda each: each[1])[-SEEN_MOST:])
