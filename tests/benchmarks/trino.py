"""Trino for benchmarks: what its users would see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trino.dbapi import connect

from tests import trino_server
from tests.lake import Access


class Trino:
    """A running server, and how long its queries take."""

    def __init__(self, port: int) -> None:
        """Connect to a port of loopback."""
        self._connection = connect(host="127.0.0.1", port=port, user="bench", catalog="lake")

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a query."""
        cursor = self._connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())


@contextmanager
def running(folder: Path, cache: Path, access: Access) -> Iterator[Trino]:
    """Yield a Trino on a private lake. Raises FileNotFoundError where its image can't be had."""
    with trino_server.running(folder, cache, access) as port:
        yield Trino(port)
