"""Superset with the cache of the cache image: real Redis, real queue, a real worker."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent))
from conftest import CACHE_PASSWORD as PASSWORD
from conftest import CACHE_SERVER, DASHBOARDS


def test_nobody_gets_in_without_the_password(cache: int) -> None:
    """Superset unpickles what it finds there: an open cache runs anybody's code."""
    for password in (None, "guessed"):
        with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
            redis.Redis(port=cache, password=password).ping()


def test_nothing_can_be_made_of_its_commands(cache: int) -> None:
    """Whoever has the password could write files, load code or send all of it elsewhere."""
    client = redis.Redis(port=cache, password=PASSWORD)
    for command in (("CONFIG", "SET", "dir", "/"), ("MODULE", "LOAD", "/tmp/x.so"), ("REPLICAOF", "a", "1")):
        with pytest.raises(redis.ResponseError, match="unknown command"):
            client.execute_command(*command)


def test_a_full_cache_loses_answers_and_no_query(cache: int) -> None:
    """The queue of queries would be thrown away for the rows of a large one, or nothing could be stored any more."""
    client = redis.Redis(port=cache, password=PASSWORD)
    client.lpush("queue", "a query that somebody waits for")
    for number in range(40):
        client.set(f"answer-{number}", b"x" * 1_000_000, ex=600)
    assert client.lrange("queue", 0, -1) == [b"a query that somebody waits for"]
    # Which of the older ones go is chance: Redis looks at a sample of them.
    assert client.exists(*(f"answer-{number}" for number in range(40))) < 20
    assert client.get("answer-39") is not None
    client.flushall()


def test_without_a_password_file_it_says_so(tmp_path: Path) -> None:
    """A cache that is open to every pod, because a Secret was not mounted."""
    environment = {"PATH": os.environ["PATH"], "CACHE_SECRETS": str(tmp_path), "CACHE_MEMORY": "16mb"}
    done = subprocess.run([str(CACHE_SERVER)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "password" in done.stderr


def test_two_processes_share_answers(application: Any, variables: dict[str, str], cache: int) -> None:
    """Each of several servers would ask Trino for what another one has just been told."""
    with application.app_context():
        from superset.extensions import cache_manager

        cache_manager.data_cache.set("of-a-chart", {"rows": [1, 2]})
        cache_manager.cache.set("of-a-page", "text")
    script = (
        "import shared_cache, os, json; s = shared_cache.settings_from(os.environ)\n"
        "from flask import Flask; from flask_caching import Cache; app = Flask('other')\n"
        "c = Cache(app, config=s.flask_caching('data-', 60))\n"
        "with app.app_context(): print(json.dumps(c.get('of-a-chart')))"
    )
    environment = {**os.environ, **variables, "PYTHONPATH": str(DASHBOARDS)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"rows": [1, 2]}
    client = redis.Redis(port=cache, password=PASSWORD, db=1)
    assert 0 < client.ttl("data-of-a-chart") <= 60


def test_requests_are_counted_in_one_place(application: Any, cache: int) -> None:
    """With several servers a guesser of passwords has the limit of each."""
    client = redis.Redis(port=cache, password=PASSWORD)

    def counted() -> int:
        # Counters live for a second; the server remembers that their script was called.
        return sum(each["calls"] for name, each in client.info("commandstats").items() if "eval" in name)

    before = counted()
    application.test_client().get("/login/")
    assert counted() > before


def test_a_worker_runs_a_query_and_leaves_its_rows(application: Any, variables: dict[str, str]) -> None:
    """A query of ten minutes holds a web server's thread; or its rows never arrive at the page that waits."""
    environment = {**os.environ, **variables, "PYTHONPATH": str(DASHBOARDS)}
    argv = [sys.executable, "-m", "celery", "--app=superset.tasks.celery_app:app", "worker", "--pool=prefork",
            "--concurrency=1", "-O", "fair", "--without-gossip", "--without-mingle"]  # fmt: skip
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, cwd=DASHBOARDS)
        try:
            with application.app_context():
                from superset import results_backend_manager
                from superset.extensions import db, security_manager
                from superset.models.core import Database
                from superset.models.sql_lab import Query
                from superset.sql_lab import get_sql_results

                uri = application.config["SQLALCHEMY_DATABASE_URI"]
                lake = Database(database_name="figures", sqlalchemy_uri=uri, allow_run_async=True)
                query = Query(
                    database=lake, sql="SELECT 6 * 7 AS answer", client_id="abc12345678", limit=10,
                    user=security_manager.find_user("admin"), start_time=time.time() * 1000, status="pending",
                )  # fmt: skip
                db.session.add_all([lake, query])
                db.session.commit()
                get_sql_results.delay(query.id, query.sql, return_results=False, store_results=True, username="admin")
                deadline = time.monotonic() + 300
                while query.status not in {"success", "failed"}:
                    assert worker.poll() is None, log.seek(0) or log.read()[-3000:]
                    assert time.monotonic() < deadline, "no worker has taken the query"
                    db.session.expire_all()
                    db.session.commit()
                assert query.status == "success", query.error_message
                assert results_backend_manager.results_backend.get(query.results_key)
            check = [sys.executable, str(DASHBOARDS / "superset-worker-check")]
            alive = subprocess.run(check, env=environment, capture_output=True, text=True, check=False)
            assert alive.returncode == 0, alive.stderr
        finally:
            worker.terminate()
            worker.wait(60)
    dead = subprocess.run(check, env=environment, capture_output=True, text=True, check=False)
    assert dead.returncode == 1
