"""Which answers of charts count, and which questions are asked again when tables change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import kept_answers
import pytest
from kept_answers import Answers, Question, Table, kept

ORDERS, SALES, VIEW = (Table(1, "lake", "marts", name) for name in ("daily_orders", "daily_sales", "source_freshness"))
DAY = "2026-11-30"


def question(*tables: Table, metric: str = "net", user: int = 3) -> Question:
    body = {"datasource": {"id": tables[0].name, "type": "table"}, "queries": [{"metrics": [metric]}]}
    return Question(body, user, frozenset(tables), time.time())


class Watched:
    """Answers with the tables' snapshots to set, and a list of what was asked again, with what it is filed under."""

    def __init__(self, *questions: Question) -> None:
        self.answers = Answers()
        self.snapshots: dict[Table, int] = {ORDERS: 1, SALES: 1}
        self.asked: list[tuple[frozenset[Table], Any]] = []
        for each in questions:
            self.answers.remember(each)

    def current(self, tables: frozenset[Table]) -> Mapping[Table, int]:
        return {table: snapshot for table, snapshot in self.snapshots.items() if table in tables}

    def ask(self, asked: Question) -> None:
        self.asked.append((asked.tables, self.answers.version(asked.tables)))

    def look(self, day: str = DAY) -> list[frozenset[Table]]:
        self.asked = []
        self.answers.look(self.current, self.ask, day)
        return [tables for tables, _ in self.asked]


def test_only_what_has_changed_is_asked_again() -> None:
    """Each publish would ask everything, and take Trino from the run that goes on."""
    watched = Watched(question(ORDERS), question(SALES))
    assert len(watched.look()) == 2
    assert watched.look() == []
    watched.snapshots[SALES] = 2
    assert watched.look() == [{SALES}]


def test_new_answers_count_once_all_are_there() -> None:
    """The first reader after a publish would wait; or see one chart of before and one of after it."""
    watched = Watched(question(ORDERS), question(SALES))
    watched.look()
    before = watched.answers.version([ORDERS])
    watched.snapshots = {ORDERS: 2, SALES: 2}
    seen = []

    def ask(asked: Question) -> None:
        reader = Answers(watched.answers.view)
        seen.append((reader.version(asked.tables), watched.answers.version(asked.tables)))

    watched.answers.look(watched.current, ask, DAY)
    assert [theirs for theirs, _ in seen] == [before, before]
    assert [ahead for _, ahead in seen] == [watched.answers.version([ORDERS])] * 2
    assert watched.answers.version([ORDERS]) != before


def test_a_new_day_is_a_change() -> None:
    """ "Last week" would be the week before it until the next publish."""
    watched = Watched(question(ORDERS))
    watched.look()
    assert watched.look("2026-12-01") == [{ORDERS}]


def test_a_view_is_not_kept() -> None:
    """The age of the sources would stand still."""
    watched = Watched(question(VIEW), question(ORDERS, VIEW))
    assert watched.look() == []
    assert watched.answers.version([VIEW]) is None
    assert watched.answers.version([]) is None


def test_answers_outlive_a_trino_that_restarts_but_not_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts that fail for a minute; or numbers of yesterday that nobody can tell from today's."""
    watched = Watched(question(ORDERS))
    watched.look()
    count = watched.answers.version([ORDERS])

    def away(tables: frozenset[Table]) -> Mapping[Table, int]:
        raise ConnectionError("no Trino")

    watched.answers.look(away, watched.ask, DAY)
    assert watched.answers.version([ORDERS]) == count
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + kept_answers.UNKNOWN_S + 1)
    watched.answers.look(away, watched.ask, DAY)
    assert watched.answers.version([ORDERS]) is None
    assert watched.look() == [{ORDERS}], "not watched again once it is back"


def test_old_and_too_many_questions_are_forgotten() -> None:
    """A page that nobody opens any more would be asked after each publish, for ever."""
    answers = Answers()
    for number in range(kept_answers.QUESTIONS + 5):
        answers.remember(question(ORDERS, metric=f"m{number}"))
    last = answers.recent(time.time())
    assert len(last) == kept_answers.QUESTIONS
    assert last[0].body["queries"][0]["metrics"] == [f"m{kept_answers.QUESTIONS + 4}"]
    assert answers.recent(time.time() + kept_answers.REMEMBERED_S + 1) == []


def test_nobody_asks_means_nothing_is_watched() -> None:
    """A query of Trino every ten seconds for a page that nobody reads."""
    watched = Watched()
    asked = []
    watched.answers.look(lambda tables: asked.append(tables) or {}, watched.ask, DAY)  # type: ignore[func-returns-value]
    assert asked == []


def test_readers_with_the_same_rights_have_the_same_question() -> None:
    """Many readers of one page would push those of all others out; or one would be given another's rows."""
    assert question(ORDERS).key == question(ORDERS, user=4).key
    assert question(ORDERS).key != replace(question(ORDERS), scope="['1']").key


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({"time_range": "Last week"}, True),
        ({"filter": [{"op": "TEMPORAL_RANGE", "val": "DATEADD(DATETIME('today'), -1, YEAR) : "}]}, True),
        ({"filter": [{"op": "TEMPORAL_RANGE", "val": "Last 6 hours"}]}, False),
        ({"time_range": "DATEADD(DATETIME('now'), -1, day) : now"}, False),
        ({"filter": [{"op": "==", "val": "a minute"}], "time_offsets": ["1 year ago"]}, True),
        ({"time_offsets": ["2 hours ago"]}, False),
    ],
)
def test_ranges_finer_than_a_day_are_not_kept(query: dict[str, Any], holds: bool) -> None:
    """The last hour would be that of this morning."""
    assert kept(query) is holds
