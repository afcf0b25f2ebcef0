"""Superset's part of kept_answers.py: what a question reads, how it is asked again, and where answers are filed.

Environment: SUPERSET_WATCH_SECONDS (10; 0 switches this off).
"""

import copy
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kept_answers import KEPT_S, Answers, Question, Table, kept

logger = logging.getLogger(__name__)

DATA = "/api/v1/chart/data"
LONGEST = 50_000
"""Characters of a question that is remembered."""
STORE = UUID("6c1f0f0e-5d0b-4b1e-9a53-0d5c6a3f7b12")
"""Where the questions are in Superset's own database, so that they outlive the web server."""
STORE_S = 60.0


def tables_of(dataset: Any) -> frozenset[Table]:
    """Return the tables that a dataset reads; none where they can't be told."""
    database = dataset.database
    if database.backend != "trino":
        return frozenset()
    catalog = dataset.catalog or database.get_default_catalog()
    if not dataset.sql:
        return frozenset({Table(database.id, catalog, dataset.schema, dataset.table_name)})
    from superset.sql.parse import SQLScript

    found = {table for statement in SQLScript(dataset.sql, "trino").statements for table in statement.tables}
    return frozenset(
        Table(database.id, each.catalog or catalog, each.schema or dataset.schema, each.table) for each in found
    )


def current_snapshots(tables: frozenset[Table], bases: dict[Table, bool]) -> dict[Table, int]:
    """Ask Trino for the snapshots of tables, one query for all tables of a catalog.

    bases: what is a table, and not a view; filled here, and emptied when a query fails, as where a table went away.
    """
    from superset.extensions import db
    from superset.models.core import Database

    found: dict[Table, int] = {}
    for place in {(each.database, each.catalog) for each in tables}:
        database = db.session.get(Database, place[0])
        here = [each for each in tables if (each.database, each.catalog) == place]
        unknown = [each for each in here if each not in bases]
        try:
            if unknown:
                schemas = ", ".join(f"'{each}'" for each in sorted({each.schema for each in unknown}))
                rows = _rows(
                    database,
                    f'SELECT table_schema, table_name FROM "{place[1]}".information_schema.tables'  # noqa: S608
                    f" WHERE table_type = 'BASE TABLE' AND table_schema IN ({schemas})",
                )
                bases.update({each: (each.schema, each.name) in rows for each in unknown})
            watched = [each for each in here if bases[each]]
            if watched:
                one = 'SELECT {} AS number, snapshot_id FROM "{}"."{}"."{}$refs" WHERE name = \'main\''
                parts = [one.format(n, each.catalog, each.schema, each.name) for n, each in enumerate(watched)]
                found |= {watched[n]: int(snapshot) for n, snapshot in _rows(database, " UNION ALL ".join(parts))}
        except Exception:
            for each in here:
                bases.pop(each, None)
            raise
    return found


def _rows(database: Any, sql: str) -> set[tuple[Any, ...]]:
    with database.get_raw_connection() as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return {tuple(row) for row in cursor.fetchall()}


def install(app: Any, answers: Answers) -> None:
    """Make Superset file answers by what their tables hold, and remember what readers ask."""
    from superset.common.query_context import QueryContext
    from superset.connectors.sqla.models import SqlaTable

    inherited_keys, inherited_timeout = SqlaTable.get_extra_cache_keys, QueryContext.get_cache_timeout

    def get_extra_cache_keys(self: Any, query_obj: Mapping[str, Any]) -> list[Hashable]:
        version = answers.version(tables_of(self)) if kept(query_obj) else None
        return [*inherited_keys(self, query_obj), *(() if version is None else (version,))]

    def get_cache_timeout(self: Any) -> int | None:
        own: int | None = inherited_timeout(self)
        if own is not None or not isinstance(self.datasource, SqlaTable):
            return own
        if answers.version(tables_of(self.datasource)) is None:
            return None
        return KEPT_S if all(kept(each.to_dict()) for each in self.queries) else None

    SqlaTable.get_extra_cache_keys = get_extra_cache_keys
    QueryContext.get_cache_timeout = get_cache_timeout
    app.after_request_funcs.setdefault(None, []).append(lambda response: _remember(answers, response))


def _remember(answers: Answers, response: Any) -> Any:
    """Remember the question that the current request was, if it is one that may be asked again."""
    from flask import g, request

    if request.method != "POST" or request.path != DATA or response.status_code != 200 or not request.is_json:
        return response
    body = {**request.get_json(), "force": False}
    plain = body.get("result_type", "full") == "full" and body.get("result_format", "json") == "json"
    if not plain or body["datasource"]["type"] != "table" or (request.content_length or 0) > LONGEST:
        return response
    from superset.connectors.sqla.models import SqlaTable
    from superset.extensions import db, security_manager

    dataset = db.session.get(SqlaTable, int(body["datasource"]["id"]))
    scope = str(sorted(map(str, security_manager.get_rls_cache_key(dataset))))
    answers.remember(Question(body, g.user.id, tables_of(dataset), time.time(), scope))
    return response


def store(app: Any, answers: Answers) -> None:
    """Write the questions into Superset's own database."""
    with app.app_context():
        from superset.daos.key_value import KeyValueDAO
        from superset.extensions import db
        from superset.key_value.types import JsonKeyValueCodec, KeyValueResource

        answers.unsaved = False
        said = [[dict(each.body), each.user, each.asked, each.scope] for each in answers.recent(time.time())]
        KeyValueDAO.upsert_entry(KeyValueResource.APP, {"questions": said}, JsonKeyValueCodec(), STORE)
        db.session.commit()


def load(app: Any, answers: Answers) -> None:
    """Read what `store` has written, if anything; a question whose dataset is gone is left out."""
    with app.app_context():
        from superset.connectors.sqla.models import SqlaTable
        from superset.daos.key_value import KeyValueDAO
        from superset.extensions import db
        from superset.key_value.types import JsonKeyValueCodec, KeyValueResource

        said = KeyValueDAO.get_value(KeyValueResource.APP, STORE, JsonKeyValueCodec()) or {"questions": []}
        for body, user, asked, scope in reversed(said["questions"]):
            dataset = db.session.get(SqlaTable, int(body["datasource"]["id"]))
            if dataset is not None:
                answers.remember(Question(body, user, tables_of(dataset), asked, scope))
        answers.unsaved = False


def ask_again(app: Any, question: Question) -> None:
    """Ask a question as its reader did, if they still may; Superset keeps the answer."""
    from flask import g

    with app.test_request_context(DATA, method="POST", json=question.body):
        from superset.charts.schemas import ChartDataQueryContextSchema
        from superset.commands.chart.data.get_data_command import ChartDataCommand
        from superset.extensions import security_manager

        try:
            g.user = security_manager.get_user_by_id(question.user)
            command = ChartDataCommand(ChartDataQueryContextSchema().load(copy.deepcopy(dict(question.body))))
            command.validate()
            command.run()
        except Exception as error:
            logger.info("a question of user %s was not asked again: %s", question.user, error)


def start(app: Any) -> None:
    """Begin to watch; called in the web server once it runs, and nowhere else."""
    seconds = float(os.environ.get("SUPERSET_WATCH_SECONDS", "10"))
    if seconds <= 0:
        return
    answers = Answers()
    bases: dict[Table, bool] = {}
    install(app, answers)

    def current(tables: frozenset[Table]) -> Mapping[Table, int]:
        with app.app_context():
            return current_snapshots(tables, bases)

    def look() -> None:
        began = time.monotonic()
        asked = answers.look(current, lambda each: ask_again(app, each), f"{datetime.now(UTC):%Y-%m-%d}")
        if asked:
            logger.info("tables have changed: asked %s questions again in %.1f s", asked, time.monotonic() - began)

    def watch() -> None:
        _logged(lambda: load(app, answers))
        stored = time.monotonic()
        while True:
            _logged(look)
            if answers.unsaved and time.monotonic() > stored + STORE_S:
                _logged(lambda: store(app, answers))
                stored = time.monotonic()
            time.sleep(seconds)

    threading.Thread(target=watch, name="kept-answers", daemon=True).start()


def _logged(step: Callable[[], None]) -> None:
    """Do a step of the watch; what fails is logged, and tried again in the next round."""
    try:
        step()
    except Exception:
        logger.exception("the watch on tables goes on without this round")
