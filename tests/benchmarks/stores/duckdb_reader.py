"""DuckDB on the lake, in a process of its own: answers requests, a JSON line each. Runs in the peers' environment.

{"do": "connect"}                        a new database with the lake attached: nothing is cached
{"do": "ask", "sql": …}                  → {"ms": …, "rows": […]}, values that JSON lacks as text
{"do": "crowd", "queries": [[…], …], "seconds": …}   → {"ms": […], "seconds": …}
"""

from __future__ import annotations

import json
import signal
import sys
import time
from functools import partial
from typing import Any

from tests.benchmarks.ingestion_peers import duckdb_with_lake
from tests.benchmarks.stores.clients import crowd


def connect() -> Any:
    """Return a new connection, in the time zone of the other stores."""
    connection = duckdb_with_lake(source=False)
    connection.execute("set timezone = 'UTC'")
    return connection


def ask(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, by way of Arrow: without it, DuckDB needs another package for times with a zone."""
    found = connection.execute(sql).fetch_arrow_table()
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


def answer(connection: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request."""
    if request["do"] == "ask":
        started = time.perf_counter()
        rows = ask(connection, request["sql"])
        return {"ms": (time.perf_counter() - started) * 1000, "rows": rows}
    clients = [connection.cursor() for _ in request["queries"]]
    for client in clients:
        client.execute("set timezone = 'UTC'")
    found = crowd([partial(ask, client) for client in clients], request["queries"], request["seconds"])
    return {"ms": found.ms, "seconds": found.seconds}


def main() -> None:
    """Answer until there are no more requests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it
    connection: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "connect":
                if connection is not None:
                    connection.close()
                connection, said = connect(), {}
            else:
                said = answer(connection, request)
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(said, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
