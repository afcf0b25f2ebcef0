"""Errors that a command shows as one message, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class UsageError(Exception):
    """What the user typed cannot be; the message says where, the value and what is allowed."""


def not_allowed(place: str, value: str, allowed: Iterable[str]) -> UsageError:
    """Return the error for a `value` at `place` that is none of the `allowed` ones (shown sorted)."""
    return UsageError(f"{place}={value!r} is not known; allowed: {', '.join(sorted(set(allowed)))}")
