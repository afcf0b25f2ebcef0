"""Keep the answers of charts until their tables change, and ask anew before readers do.

A dashboard's first reader after a publish would wait for Trino, and everybody each minute, when answers end. Instead,
an answer counts as long as the Iceberg tables that it is made of have the same snapshots, and on the same day (UTC),
for ranges such as "last week". A thread of the web server asks Trino every few seconds for these snapshots. When they
have changed, it asks the readers' last questions again, one after the other and each in the name of its reader; from
then on all the new answers count together. Readers meet the old ones until then.

Not kept are answers on views, on tables of others than Trino's Iceberg catalogs, and on ranges finer than a day. They
count for SUPERSET_DATA_CACHE_SECONDS, as all do while nobody has asked anything for a week, and when Trino has not
told the snapshots for five minutes. Superset's part is in kept_answers_superset.py.
"""

import hashlib
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)

QUESTIONS = 60
"""How many of the last questions are asked again after a publish. A dashboard has about twenty."""
REMEMBERED_S = 7 * 86_400
KEPT_S = 86_400
"""An answer holds for a day at most: its key has the day."""
UNKNOWN_S = 300
FINER_THAN_A_DAY = re.compile("now|second|minute|hour", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Table:
    """A table by its full name, in a connection of Superset."""

    database: int
    catalog: str
    schema: str
    name: str


@dataclass(frozen=True)
class Question:
    """What a chart asked for: the request's body, and who asked last. tables: what its answer is made of.

    scope: what of the rows its reader may see; equal questions of equal scope have one answer.
    """

    body: Mapping[str, Any]
    user: int
    tables: frozenset[Table]
    asked: float
    scope: str = ""

    @property
    def key(self) -> str:
        """Return what is equal for questions with one answer, whichever page they are on."""
        said = {name: self.body.get(name) for name in ("datasource", "queries", "result_type")}
        return hashlib.sha256(json.dumps([self.scope, said], sort_keys=True).encode()).hexdigest()


@dataclass
class Answers:
    """Which snapshots count, and what readers asked last. One for a web server; its threads share it."""

    view: tuple[Mapping[Table, int], str] = field(default_factory=lambda: ({}, ""))
    """The snapshots that count, and the day."""
    told: float = field(default_factory=time.monotonic)
    """When the snapshots were last told, by the monotonic clock."""
    questions: "OrderedDict[str, Question]" = field(default_factory=OrderedDict)
    unsaved: bool = False
    """Whether questions have come since they were last stored."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: threading.local = field(default_factory=threading.local)

    def version(self, tables: Iterable[Table]) -> tuple[Hashable, ...] | None:
        """Return what an answer from these tables is filed under; None when it is not known what they hold."""
        snapshots, day = getattr(self._next, "view", self.view)
        known = [(each, snapshots.get(each)) for each in sorted(tables)]
        if not known or any(snapshot is None for _, snapshot in known):
            return None
        return (day, *(snapshot for _, snapshot in known))

    def remember(self, question: Question) -> None:
        """Put a question before the others, and forget the oldest."""
        with self._lock:
            self.questions[question.key] = question
            self.questions.move_to_end(question.key)
            while len(self.questions) > QUESTIONS:
                self.questions.popitem(last=False)
            self.unsaved = True

    def recent(self, now: float) -> list[Question]:
        """Return the questions of the last days, the last one first."""
        with self._lock:
            for key in [key for key, each in self.questions.items() if each.asked < now - REMEMBERED_S]:
                del self.questions[key]
            return list(reversed(self.questions.values()))

    @contextmanager
    def ahead(self, snapshots: Mapping[Table, int], day: str) -> Iterator[None]:
        """Let this thread file answers under what will count next."""
        self._next.view = (snapshots, day)
        try:
            yield
        finally:
            del self._next.view

    def look(
        self, current: Callable[[frozenset[Table]], Mapping[Table, int]], ask: Callable[[Question], None], day: str
    ) -> int:
        """Ask which snapshots are current, and the questions again whose tables have others; return how many.

        current: returns the snapshots of those tables that have any; raises when it can't tell. ask: answers a
        question, and files the answer.
        """
        questions = self.recent(time.time())
        tables = frozenset(table for each in questions for table in each.tables)
        try:
            snapshots = current(tables) if tables else {}
        except Exception as error:
            if time.monotonic() - self.told > UNKNOWN_S:
                self.view = ({}, day)
            logger.info("the snapshots of %s tables are not known: %s", len(tables), error)
            return 0
        before, day_before = self.view
        asked = 0
        with self.ahead(snapshots, day):
            for question in questions:
                changed = day != day_before or any(snapshots.get(t) != before.get(t) for t in question.tables)
                if changed and self.version(question.tables) is not None:
                    ask(question)
                    asked += 1
        self.view, self.told = (snapshots, day), time.monotonic()
        return asked


def kept(query: Mapping[str, Any]) -> bool:
    """Say whether the answer of a query stays the same for a day: its ranges of time begin and end with days."""
    ranges = [query.get("time_range"), *query.get("time_offsets", [])]
    ranges += [each.get("val") for each in query.get("filter", []) if each.get("op") == "TEMPORAL_RANGE"]
    return not any(FINER_THAN_A_DAY.search(str(each)) for each in ranges if each)
