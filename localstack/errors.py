"""Errors that a command shows as one message, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class LocalError(RuntimeError):
    """Something on this machine does not work; the message says what, why and the way out."""


class StepFailed(RuntimeError):
    """A step that could not be finished: what failed, why, where its log is and how to go on."""

    def __init__(
        self, title: str, reason: str, log: Path | None = None, resume_command: str | None = "make up"
    ) -> None:
        super().__init__(f"{title}: {reason}")
        self.title, self.reason, self.log, self.resume_command = title, reason, log, resume_command


class UsageError(Exception):
    """What the user typed cannot be; the message says where, the value and what is allowed."""


def not_allowed(place: str, value: str, allowed: Iterable[str]) -> UsageError:
    """Return the error for a `value` at `place` that is none of the `allowed` ones (shown sorted)."""
    return UsageError(f"{place}={value!r} is not known; allowed: {', '.join(sorted(set(allowed)))}")
