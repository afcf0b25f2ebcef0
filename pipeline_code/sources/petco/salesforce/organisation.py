"""What the organisation remembers between requests: sessions, the day's use of the API, cursors, query jobs."""

import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from petco.api.clock import Clock, now
from petco.api.settings import SalesforceAccess
from petco.salesforce.errors import ApiError
from petco.salesforce.objects import HIDDEN
from petco.salesforce.query import Rows
from petco.salesforce.relations import record_id

VERSIONS = ("60.0", "61.0", "62.0")
ORGANISATION_ID = record_id("00D", 1)
USER_ID = record_id("005", 9)
CURSORS = 10
"""Open results a user may have; the oldest is dropped, as in the real service."""


@dataclass(frozen=True)
class Job:
    """A query job and its rows; the job is complete from its second look on."""

    number: int
    operation: str
    entity: str
    version: str
    created: float
    rows: Rows

    @property
    def id(self) -> str:
        """The job's id."""
        return record_id("750", self.number)


@dataclass
class Organisation:
    """State of one stand-in. `hidden`: `Object.Field` names that the integration user may not read.

    A session ends `session_s` seconds after its start, here and not after its last use, so that a long read meets it.
    """

    access: SalesforceAccess
    clock: Clock = now
    daily_requests: int = 100_000
    daily_jobs: int = 10_000
    session_s: float = 7200
    hidden: frozenset[str] = HIDDEN
    _sessions: dict[str, float] = field(default_factory=dict, repr=False)
    _cursors: dict[str, Rows] = field(default_factory=dict, repr=False)
    _jobs: dict[str, Job] = field(default_factory=dict, repr=False)
    _looks: dict[str, int] = field(default_factory=dict, repr=False)
    _day: str = ""
    _requests: int = 0
    _jobs_made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    # Sessions

    def new_session(self) -> str:
        """A new session's token, for a client whose login was right."""
        token = f"{ORGANISATION_ID[:15]}!{secrets.token_urlsafe(48)}"
        with self._lock:
            current = self.clock()
            self._sessions = {one: end for one, end in self._sessions.items() if end > current}
            self._sessions[token] = current + self.session_s
        return token

    def revoke(self) -> None:
        """Ends all sessions, as an administrator may at any time."""
        with self._lock:
            self._sessions.clear()

    def admit(self, token: str) -> None:
        """Counts a request. Raises ApiError for an unknown or expired session, or when the day's requests are used."""
        with self._lock:
            if self._sessions.get(token, 0) <= self.clock():
                raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
            self._new_day()
            if self._requests >= self.daily_requests:
                raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            self._requests += 1

    # Limits

    def _new_day(self) -> None:
        today = datetime.fromtimestamp(self.clock(), UTC).date().isoformat()
        if today != self._day:
            self._day, self._requests, self._jobs_made = today, 0, 0

    @property
    def usage(self) -> str:
        """The header that every answer carries."""
        return f"api-usage={self._requests}/{self.daily_requests}"

    def limits(self) -> dict[str, dict[str, int]]:
        """The answer of `/limits`."""
        return {
            "DailyApiRequests": {"Max": self.daily_requests, "Remaining": self.daily_requests - self._requests},
            "DailyBulkV2QueryJobs": {"Max": self.daily_jobs, "Remaining": self.daily_jobs - self._jobs_made},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
        }

    # Cursors

    def keep(self, rows: Rows) -> str:
        """Keeps a result for its next pages; returns its locator."""
        with self._lock:
            while len(self._cursors) >= CURSORS:
                del self._cursors[next(iter(self._cursors))]
            locator = record_id("01g", secrets.randbelow(1_000_000_000))
            self._cursors[locator] = rows
        return locator

    def kept(self, locator: str) -> Rows:
        """The result of a locator. Raises ApiError when it is unknown, dropped or from before a restart."""
        rows = self._cursors.get(locator)
        if rows is None:
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return rows

    # Jobs

    def start(self, operation: str, version: str, rows: Rows) -> Job:
        """A new query job. Raises ApiError when the day's jobs are used."""
        with self._lock:
            self._new_day()
            if self._jobs_made >= self.daily_jobs:
                raise ApiError(400, "LIMIT_EXCEEDED", "Exceeded max limit of query jobs in a rolling 24 hour period")
            self._jobs_made += 1
            job = Job(len(self._looks) + 1, operation, rows.entity.name, version, self.clock(), rows)
            self._jobs[job.id], self._looks[job.id] = job, 0
        return job

    def job(self, job_id: str) -> Job:
        """A job by its id. Raises ApiError NOT_FOUND."""
        job = self._jobs.get(job_id)
        if job is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        return job

    def look(self, job: Job) -> bool:
        """Counts a look at a job's state; returns whether it is complete."""
        with self._lock:
            self._looks[job.id] += 1
            return self._looks[job.id] > 1

    def is_complete(self, job: Job) -> bool:
        """Whether a look has found the job complete."""
        return self._looks[job.id] > 1

    def forget(self, job: Job) -> None:
        """Deletes a job with its results."""
        with self._lock:
            self._jobs.pop(job.id, None)
