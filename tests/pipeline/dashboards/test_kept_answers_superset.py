"""Superset files answers by the snapshots of their tables, in its own code: only Trino is not there."""

import time
from datetime import timedelta
from typing import Any

import kept_answers
import kept_answers_superset
import pandas as pd
import pytest
from kept_answers import Answers, Question, Table
from kept_answers_superset import ask_again, load, store, tables_of

DAY = "2026-11-30"


@pytest.fixture
def answers(application: Any, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the web server installs, until the test ends."""
    from superset.common.query_context import QueryContext
    from superset.connectors.sqla.models import SqlaTable

    monkeypatch.setattr(SqlaTable, "get_extra_cache_keys", SqlaTable.get_extra_cache_keys)
    monkeypatch.setattr(QueryContext, "get_cache_timeout", QueryContext.get_cache_timeout)
    monkeypatch.setitem(application.after_request_funcs, None, [*application.after_request_funcs.get(None, [])])
    found = Answers()
    kept_answers_superset.install(application, found)
    return found


@pytest.fixture
def asked_of_trino(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The queries that came as far as Trino would be, which answers 1."""
    from superset.common.query_context_processor import QueryContextProcessor
    from superset.models.helpers import QueryResult

    asked: list[Any] = []

    def answer(self: Any, query: Any) -> QueryResult:
        asked.append(query)
        return QueryResult(pd.DataFrame({"net": [1]}), "SELECT 1", timedelta(0), applied_filter_columns=["order_date"])

    monkeypatch.setattr(QueryContextProcessor, "get_query_result", answer)
    return asked


def question(application: Any, user: str = "viewer", time_range: str = "Last week") -> Question:
    """What the chart of net revenue asks for."""
    with application.app_context():
        from superset.connectors.sqla.models import SqlaTable
        from superset.extensions import db, security_manager

        dataset = db.session.query(SqlaTable).filter_by(table_name="daily_orders").one()
        body = {
            "datasource": {"id": dataset.id, "type": "table"},
            "queries": [
                {
                    "metrics": ["net"],
                    "filters": [{"col": "order_date", "op": "TEMPORAL_RANGE", "val": time_range}],
                    "row_limit": 10,
                }
            ],
            "result_type": "full",
            "result_format": "json",
        }
        return Question(body, security_manager.find_user(user).id, tables_of(dataset), 0.0)


def test_a_dataset_names_its_tables(application: Any) -> None:
    """A query's answer would be kept while the mart behind it changes."""
    with application.app_context():
        from superset.connectors.sqla.models import SqlaTable
        from superset.extensions import db

        found = {
            dataset.table_name: {(table.catalog, table.schema, table.name) for table in tables_of(dataset)}
            for dataset in db.session.query(SqlaTable)
        }
    assert found["daily_orders"] == {("lake", "marts", "daily_orders")}
    assert found["customer_retention"] == {("lake", "marts", "customer_cohorts")}


def test_an_answer_counts_until_its_table_changes(
    application: Any, answers: Answers, asked_of_trino: list[Any]
) -> None:
    """Superset asks for the key or the time to live in another way: answers end each minute, or never."""
    asked = question(application)
    (table,) = asked.tables
    answers.view = ({table: 1}, DAY)
    ask_again(application, asked)
    ask_again(application, asked)
    assert len(asked_of_trino) == 1
    with answers.ahead({table: 2}, DAY):
        ask_again(application, asked)
    assert len(asked_of_trino) == 2
    ask_again(application, asked)
    assert len(asked_of_trino) == 2, "the old answer does not count any more while the new ones are asked for"
    answers.view = ({table: 2}, DAY)
    ask_again(application, asked)
    assert len(asked_of_trino) == 2, "the reader waits for what has been asked already"


def test_how_long_an_answer_is_kept(application: Any, answers: Answers) -> None:
    """A minute where nobody tells of changes: what Superset's own settings say."""
    from superset.charts.schemas import ChartDataQueryContextSchema

    day, hours = (
        question(application, time_range=each) for each in ("Last week", "DATEADD(DATETIME('now'), -6, HOUR) : now")
    )
    (table,) = day.tables

    def timeout(asked: Question) -> int | None:
        with application.test_request_context():
            timeout: int | None = ChartDataQueryContextSchema().load(dict(asked.body)).get_cache_timeout()
            return timeout

    assert timeout(day) is None
    answers.view = ({table: 1}, DAY)
    assert timeout(day) == kept_answers.KEPT_S
    assert timeout(hours) is None


def test_a_reader_who_may_no_longer_read_is_not_asked_for(
    application: Any, answers: Answers, asked_of_trino: list[Any]
) -> None:
    """Asking for others must not be a way around their rights."""
    asked = question(application)
    answers.view = ({Table(0, "lake", "marts", "other"): 1}, DAY)
    ask_again(application, Question(asked.body, 999_999, asked.tables, 0.0))
    assert asked_of_trino == []


def test_questions_outlive_the_web_server(application: Any) -> None:
    """The first reader after a deployment would wait, as nobody has asked anything yet."""
    before, after = Answers(), Answers()
    now = time.time()
    for each in ("Last week", "Last month", "Last year"):
        found = question(application, time_range=each)
        before.remember(Question(found.body, found.user, found.tables, now))
    store(application, before)
    load(application, after)
    assert after.recent(now) == before.recent(now)
