"""Salesforce's REST API as the tap uses it: sessions, errors, limits."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from headwater_tap.calls import AnswerError, Caller, Retries, ServiceError, json_of, shown

from tap_salesforce.login import Credentials, Session, log_in
from tap_salesforce.usage import LimitError, Usage

T = TypeVar("T")


class RefusedError(ServiceError):
    """The API refused a request for good; `code` is Salesforce's error code."""

    def __init__(self, place: str, status: int, code: str, message: str) -> None:
        """Take what the API answered."""
        super().__init__(f"Salesforce: {place}: {code} (status {status}): {' '.join(message.split())}")
        self.code = code


class _SessionEndedError(Exception):
    """The session has expired or was revoked."""


@dataclass(frozen=True)
class Limits:
    """What `/limits` says at `at`, a time of the service's clock: requests, and query jobs that may still be made."""

    requests: Usage
    jobs_left: int
    at: dt.datetime


class Salesforce:
    """One organisation. Logs in with the first call, and once more when a session ends midway."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        version: str,
        share: float,
        page_rows: int,
        retries: Retries,
        timeout_s: float,
        logger: logging.Logger,
    ) -> None:
        """Take the settings; `share` of the day's requests is where the tap stops, 0 to 1."""
        session = requests.Session()
        session.headers["Sforce-Query-Options"] = f"batchSize={page_rows}"
        self._caller = Caller(session, "Salesforce", retries, timeout_s=timeout_s, logger=logger)
        self._credentials = credentials
        self._base = f"/services/data/v{version}"
        self._share = share
        self._session: Session | None = None
        self._usage: Usage | None = None
        self._logger = logger

    def call(self, method: str, path: str, read: Callable[[requests.Response], T], **options: Any) -> T:
        """Return what `read` makes of the answer to a call below the API's version, or of a path from its root.

        Raises LimitError before a call that would exceed the share, RefusedError when the API refuses, ServiceError
        when no attempt gave a usable answer.
        """
        if self._usage is not None:
            self._usage.check(self._share)
        place = path if path.startswith("/services/") else self._base + path
        try:
            return self._once(method, place, read, options)
        except _SessionEndedError:
            self._logger.info("Salesforce: the session has ended, logging in again")
            self._session = None
        try:
            return self._once(method, place, read, options)
        except _SessionEndedError:
            raise ServiceError(
                "Salesforce: a session that has just begun is not accepted (INVALID_SESSION_ID). Check that the user "
                "behind the connected app is active, has the permission API Enabled, and may log in from here."
            ) from None

    def _once(self, method: str, place: str, read: Callable[[requests.Response], T], options: dict[str, Any]) -> T:
        session = self._session if self._session is not None else log_in(self._caller, self._credentials)
        self._session = session
        shown_place = f"{method} {place.partition('?')[0]}"
        return self._caller.call(
            method,
            session.instance_url + place,
            lambda response: read(self._accepted(response, shown_place)),
            headers={"Authorization": f"Bearer {session.token}"},
            **options,
        )

    def _accepted(self, response: requests.Response, place: str) -> requests.Response:
        """Return a good answer; raise what is wrong with any other. Notes how much of the API is used."""
        usage = Usage.from_header(response.headers.get("Sforce-Limit-Info"))
        self._usage = usage if usage is not None else self._usage
        if response.status_code < 400:
            return response
        errors = json_of(response)
        try:
            code, message = str(errors[0]["errorCode"]), str(errors[0]["message"])
        except (LookupError, TypeError):
            raise RefusedError(place, response.status_code, "no error code", shown(response)) from None
        match code:
            case "INVALID_SESSION_ID":
                raise _SessionEndedError
            case "REQUEST_LIMIT_EXCEEDED" if "Concurrent" in message:
                raise AnswerError(message)
            case "REQUEST_LIMIT_EXCEEDED":
                raise LimitError(
                    f"Salesforce: all API requests of the last 24 hours are used ({message}). Nothing was lost: the "
                    "next run reads on where the last complete one ended. Lower api_limit_share to leave off earlier."
                )
            case "SERVER_UNAVAILABLE" | "UNABLE_TO_LOCK_ROW":
                raise AnswerError(f"{code}: {message}")
        raise RefusedError(place, response.status_code, code, message)

    def limits(self) -> Limits:
        """Return the organisation's limits; LimitError when this tap's share is used."""

        def read(response: requests.Response) -> Limits:
            answer = json_of(response)
            requests_, jobs = answer["DailyApiRequests"], answer.get("DailyBulkV2QueryJobs", {"Remaining": 0})
            used = Usage(requests_["Max"] - requests_["Remaining"], requests_["Max"])
            return Limits(used, jobs["Remaining"], _time_of(response))

        limits = self.call("GET", "/limits", read)
        limits.requests.check(self._share)
        return limits

    def describe(self, entity: str) -> dict[str, Any]:
        """Return what `describe` says about an object; RefusedError NOT_FOUND for one that the user may not see."""
        return dict(self.call("GET", f"/sobjects/{quote(entity)}/describe", json_of))


def _time_of(response: requests.Response) -> dt.datetime:
    """Return the service's clock, from the Date header that every answer has."""
    date = response.headers.get("Date")
    if date is None:
        raise AnswerError("no Date header: the service's clock can't be told")
    return parsedate_to_datetime(date)
