"""The three readers, behind one interface: ask, empty the caches, and what a query costs the servers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import psycopg
from trino.dbapi import Connection

from tests.benchmarks.cost import descendants
from tests.benchmarks.postgres import Server
from tests.benchmarks.stores.clients import Crowd, crowd
from tests.lake import BUCKET, Lake

ROOT = Path(__file__).resolve().parents[3]
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = 8192
"""A page of PostgreSQL, and of its write-ahead log."""


class Reader(Protocol):
    """A store with the engine that reads it."""

    name: str
    colour: str
    """Its name in the charts' style."""

    def table(self, name: str) -> str:
        """Return the SQL name of one of the tables."""

    def ask(self, sql: str) -> tuple[float, list[tuple[str, ...]]]:
        """Return the milliseconds of a query and its rows, values as text that is equal for equal values."""

    def cold(self) -> None:
        """Take the data out of the memory of the engine and of the system, as after a start."""

    def cpu_ms(self) -> float:
        """Return the CPU milliseconds that the servers of this reader have had so far."""

    def bytes_read(self, sql: str) -> int:
        """Run a query and return the bytes that it read."""

    def bytes_written(self) -> int:
        """Return a counter of what was written so far."""

    def crowd(self, queries: Sequence[Sequence[str]], seconds: float) -> Crowd:
        """Let a client for each list of queries ask, all at once."""


def cpu_ms(roots: Sequence[int]) -> float:
    """Return the CPU milliseconds of process trees, children that have ended included."""
    total = 0
    for process in (each for root in roots for each in descendants(root)):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended; its parent has its time
        total += sum(int(field) for field in fields[11:15])
    return total * TICK_MS


def evict(folder: Path) -> None:
    """Take the files below a folder out of the system's page cache, and no other files."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())  # only pages that are on the disk can go
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def text(rows: Sequence[Sequence[Any]]) -> list[tuple[str, ...]]:
    """Return rows with their values as text: `str` of numbers and times is the same for each client."""
    return [tuple(str(value) for value in row) for row in rows]


@dataclass
class Rows:
    """PostgreSQL."""

    server: Server
    database: str
    name: str = "PostgreSQL"
    colour: str = "rows"

    def __post_init__(self) -> None:
        self.connection = self._connect()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.uri(self.database), autocommit=True, options="-c timezone=UTC")

    def table(self, name: str) -> str:
        return f"shop.{name}"

    def ask(self, sql: str) -> tuple[float, list[tuple[str, ...]]]:
        return timed(lambda: self._rows(self.connection, sql))

    def cold(self) -> None:
        self.connection.close()
        self.server.stop()
        evict(self.server.data)
        self.server.start()
        self.connection = self._connect()

    def cpu_ms(self) -> float:
        return cpu_ms([self.server.process])

    def bytes_read(self, sql: str) -> int:
        """Pages, of the memory or of the disk."""
        (plan,) = self.connection.execute(f"explain (analyze, buffers, format json) {sql}".encode()).fetchall()
        top = plan[0][0]["Plan"]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"]) * PAGE_BYTES

    def bytes_written(self) -> int:
        """The write-ahead log."""
        (found,) = self.connection.execute("select pg_current_wal_lsn() - '0/0'::pg_lsn").fetchall()
        return int(found[0])

    def crowd(self, queries: Sequence[Sequence[str]], seconds: float) -> Crowd:
        connections = [self._connect() for _ in queries]
        try:
            return crowd([partial(self._rows, each) for each in connections], queries, seconds)
        finally:
            for each in connections:
                each.close()

    @staticmethod
    def _rows(connection: psycopg.Connection[Any], sql: str) -> list[Any]:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


@dataclass
class Columns:
    """What both readers of the lake share: its servers, its files."""

    lake: Lake
    folder: Path
    catalog_database: Server

    @property
    def store(self) -> Path:
        """The folder of the object store's data."""
        return self.folder / "store" / BUCKET

    def _servers(self) -> list[int]:
        processes = (self.lake.store.process, self.lake.catalog.process)
        return [*(each.pid for each in processes if each is not None), self.catalog_database.process]

    def _sent(self, ask: Callable[[], object]) -> int:
        """What the object store sent while something was asked: nobody else asks it."""
        process = self.lake.store.process
        assert process is not None
        counter = Path(f"/proc/{process.pid}/io")

        def written() -> int:
            return int(counter.read_text().split("wchar:")[1].split()[0])

        before = written()
        ask()
        return written() - before

    def bytes_written(self) -> int:
        """The bytes of all objects."""
        return sum(path.stat().st_size for path in self.store.rglob("*") if path.is_file())


@dataclass
class TrinoReader(Columns):
    """Trino; its own process and port besides."""

    process: int
    port: int
    name: str = "Iceberg, Trino"
    colour: str = "trino"

    def __post_init__(self) -> None:
        self.connection = self._connect()

    def _connect(self) -> Any:
        return Connection(host="127.0.0.1", port=self.port, user="bench", catalog="lake", timezone="UTC")

    def table(self, name: str) -> str:
        return f"lake.stores.{name}"

    def ask(self, sql: str) -> tuple[float, list[tuple[str, ...]]]:
        return timed(lambda: self._rows(self.connection, sql))

    def cold(self) -> None:
        evict(self.store)

    def cpu_ms(self) -> float:
        return cpu_ms([self.process, *self._servers()])

    def bytes_read(self, sql: str) -> int:
        return self._sent(lambda: self.ask(sql))

    def crowd(self, queries: Sequence[Sequence[str]], seconds: float) -> Crowd:
        connections = [self._connect() for _ in queries]
        return crowd([partial(self._rows, each) for each in connections], queries, seconds)

    @staticmethod
    def _rows(connection: Any, sql: str) -> list[Any]:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())


@dataclass
class DuckDbReader(Columns):
    """DuckDB, in a process of the environment that has it."""

    python: Path
    name: str = "Iceberg, DuckDB"
    colour: str = "duckdb"

    def __post_init__(self) -> None:
        with (self.folder / "duckdb.log").open("ab") as log:
            self.child = subprocess.Popen(
                [str(self.python), "-m", "tests.benchmarks.stores.duckdb_reader"], cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, **self.lake.access.environment(), "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        self._request(do="connect")

    def close(self) -> None:
        """End the process."""
        self.child.kill()
        self.child.communicate()

    def _request(self, **request: Any) -> dict[str, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"DuckDB ended:\n{(self.folder / 'duckdb.log').read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"DuckDB: {answer['error']}")
        return answer

    def table(self, name: str) -> str:
        return f"ice.stores.{name}"

    def ask(self, sql: str) -> tuple[float, list[tuple[str, ...]]]:
        answer = self._request(do="ask", sql=sql)
        return answer["ms"], text(answer["rows"])

    def cold(self) -> None:
        self._request(do="connect")
        evict(self.store)

    def cpu_ms(self) -> float:
        return cpu_ms([self.child.pid, *self._servers()])

    def bytes_read(self, sql: str) -> int:
        return self._sent(lambda: self.ask(sql))

    def crowd(self, queries: Sequence[Sequence[str]], seconds: float) -> Crowd:
        answer = self._request(do="crowd", queries=queries, seconds=seconds)
        return Crowd(answer["ms"], answer["seconds"])


def timed(ask: Callable[[], list[Any]]) -> tuple[float, list[tuple[str, ...]]]:
    """Return the milliseconds of a query and its rows as text."""
    started = time.perf_counter()
    rows = ask()
    return (time.perf_counter() - started) * 1000, text(rows)
