"""Waiting between the attempts of a call."""

from __future__ import annotations

import pytest
import requests
from headwater_tap.calls import Retries, _retry_after


def test_waits_grow_to_a_limit_and_differ_between_clients() -> None:
    retries = Retries(attempts=9, first_wait_s=1, longest_wait_s=30)
    patient = [retries.wait_s(failed, 0, 0.0) for failed in range(1, 9)]
    hasty = [retries.wait_s(failed, 0, 0.999) for failed in range(1, 9)]
    assert patient == [1, 2, 4, 8, 16, 30, 30, 30]
    assert all(short < long for short, long in zip(hasty, patient, strict=True))


def test_a_service_that_asks_to_wait_is_obeyed_within_the_limit() -> None:
    retries = Retries(first_wait_s=1, longest_wait_s=30)
    assert retries.wait_s(1, 12, 0.5) == 12
    assert retries.wait_s(1, 86_400, 0.5) == 30  # a run must not hang for a day


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        ("Sun, 29 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0),
        ("soon", 0),
        (None, 0),
        ("Sun, 29 Nov 2026 12:00:30 -0000", 30),
    ],
)
def test_a_wait_is_a_number_or_a_time(asked: str | None, seconds: float) -> None:
    """A service that names a time is called again at once, and answers the same until the attempts are used up."""
    response = requests.Response()
    response.headers["Date"] = "Sun, 29 Nov 2026 12:00:00 GMT"
    if asked is not None:
        response.headers["Retry-After"] = asked
    assert _retry_after(response) == seconds
