"""Calls of a web service: repeated while that can help, then ended with an error that says what was wrong."""

from __future__ import annotations

import datetime as dt
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

T = TypeVar("T")

_TRIED_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_SHOWN = 300
"""Characters of an answer that a message repeats."""


class ServiceError(RuntimeError):
    """The service refused, or did not give a usable answer after all attempts."""


class AnswerError(Exception):
    """An answer that another attempt may make good. `wait_s`: how long the service asks to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        """Take the reason, as the last error will repeat it."""
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Retries:
    """How often and how patiently: waits double from `first_wait_s` up to `longest_wait_s`, each cut by up to half.

    The cut is random, so that clients that failed together do not come back together.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0

    def wait_s(self, failed: int, asked_s: float, draw: float) -> float:
        """Return how long to wait after attempt `failed` (from 1); `draw` is a random number below 1."""
        doubled = min(self.first_wait_s * 2.0 ** (failed - 1), self.longest_wait_s)
        return max(doubled * (1 - draw / 2), min(asked_s, self.longest_wait_s))


class Caller:
    """Calls one service. `session` carries what all calls have in common; `name` is what errors call the service."""

    def __init__(
        self, session: requests.Session, name: str, retries: Retries, *, timeout_s: float, logger: logging.Logger
    ) -> None:
        """Take the parts; a call that gets no byte for `timeout_s` seconds counts as failed."""
        self.session = session
        self._name = name
        self._retries = retries
        self._timeout_s = timeout_s
        self._logger = logger

    def call(self, method: str, url: str, read: Callable[[requests.Response], T], **options: Any) -> T:
        """Return what `read` makes of the answer. `options` are those of `requests`.

        Tried again: no connection, no answer in time, a broken-off body, status 408, 429 and 5xx (after Retry-After,
        where the service says so), and whatever `read` raises AnswerError for. ServiceError after the last attempt;
        other errors of `read` pass. Neither credentials nor query strings get into messages.
        """
        place = f"{self._name}: {method} {urlsplit(url).path}"
        for attempt in range(1, self._retries.attempts + 1):
            asked_s = 0.0
            try:
                response = self.session.request(method, url, timeout=self._timeout_s, **options)
                if response.status_code in _TRIED_AGAIN:
                    raise AnswerError(f"status {response.status_code}: {shown(response)}", _retry_after(response))
                return read(response)
            except AnswerError as error:
                reason, asked_s = str(error), error.wait_s
            except (requests.ConnectionError, requests.Timeout) as error:
                reason = f"no answer ({type(error).__name__})"
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
                reason = f"the answer broke off ({type(error).__name__})"
            if attempt == self._retries.attempts:
                break
            wait_s = self._retries.wait_s(attempt, asked_s, random.random())  # noqa: S311 - no secret
            self._logger.warning("%s: attempt %d: %s; again in %.1f s", place, attempt, reason, wait_s)
            time.sleep(wait_s)
        raise ServiceError(
            f"{place} gave no usable answer in {self._retries.attempts} attempts. The last: {reason}. "
            "Nothing was lost: the next run reads on where the last complete one ended."
        )


def json_of(response: requests.Response) -> Any:
    """Return the JSON of an answer, numbers with a fraction as Decimal.

    Raises AnswerError for anything else: a proxy's or a maintenance page, half of an answer.
    """
    kind = response.headers.get("Content-Type", "")
    if "json" not in kind:
        raise AnswerError(f"{kind if kind else 'no content type'} instead of JSON: {shown(response)}")
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        raise AnswerError(f"JSON that is not complete ({error})") from error


def shown(response: requests.Response) -> str:
    """Return the beginning of an answer's text in one line."""
    text = " ".join(response.text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _retry_after(response: requests.Response) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or as a time; 0 without one."""
    asked = response.headers.get("Retry-After", "")
    if asked.isdigit():
        return float(asked)
    try:
        until, now = _time(asked), _time(response.headers["Date"])  # the service's clock, not this machine's
    except (ValueError, KeyError):
        return 0.0
    return max((until - now).total_seconds(), 0.0)


def _time(text: str) -> dt.datetime:
    """Return the time of a header. ValueError for none; `-0000`, which Python gives no zone, is UTC as well."""
    found = parsedate_to_datetime(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
