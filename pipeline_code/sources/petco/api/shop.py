"""The shop's tables as the stand-ins read them: one snapshot for each request, never a write."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from petco.database import Server

CONNECTIONS = 4
"""At most; a request waits for a free one."""
WAIT_S = 30.0

Row = Mapping[str, Any]
Rows: TypeAlias = list[DictRow]


class Snapshot:
    """The shop at one moment."""

    def __init__(self, connection: psycopg.Connection[DictRow]) -> None:
        self._connection = connection

    def query(self, statement: LiteralString, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Returns the rows of a query as dictionaries; parameters are `%(name)s`."""
        return self._connection.execute(statement, parameters).fetchall()


class Shop:
    """Connections to the shop's database. Close it at the end."""

    def __init__(self, server: Server) -> None:
        self._pool: ConnectionPool[psycopg.Connection[DictRow]] = ConnectionPool(
            kwargs={
                "host": server.host,
                "port": server.port,
                "dbname": server.database,
                "user": server.user,
                "password": server.password,
                "connect_timeout": 5,
                "application_name": "petco-api",
                "options": "-c timezone=UTC -c statement_timeout=60s",
                "row_factory": dict_row,
            },
            connection_class=psycopg.Connection[DictRow],
            min_size=1,
            max_size=CONNECTIONS,
            timeout=WAIT_S,
            configure=_only_reads,
            # A server that was restarted has cut the idle ones.
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Yields the shop as it is now; all queries within see the same."""
        with self._pool.connection() as connection:
            yield Snapshot(connection)

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()


def _only_reads(connection: psycopg.Connection[DictRow]) -> None:
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
