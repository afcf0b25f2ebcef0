"""A shop whose log is followed, and what has to be true of its tables in the lake."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import reading
from conftest import Server, Shop

PUBLICATION = "create publication headwater for all tables"
MERGED = "write: merge\ndeletes: hard\nquarantine: {rows: 100000, share: 100%}\n"
_PATIENCE_S = 60.0


@contextmanager
def following(shop: Shop, *statements: str, publication: str = PUBLICATION) -> Iterator[Shop]:
    """Yield a shop with tables as the statements make them, read once; its slots are dropped at the end."""
    shop.slot = f"hw_s{uuid.uuid4().hex[:12]}"
    shop.execute("alter role reader replication", *statements, publication)
    try:
        follow(shop)
        yield shop
    finally:
        drop_slots(shop)


def follow(shop: Shop, **settings: Any) -> None:
    """Run tap and target once."""
    shop.replicate(publication="headwater", slot=shop.slot, **settings)


def drop_slots(shop: Shop) -> None:
    """Give the source its log back."""
    query = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like %s"
    with shop.connect() as connection:
        connection.execute(query, [f"{shop.slot}%"])


def merged(shop: Shop, table: str, *key: str) -> None:
    """Have a table merged by its key, and its deletions followed."""
    shop.contract(f"key: [{', '.join(key)}]\n{MERGED}", table)


def lake(shop: Shop, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table of the lake, by the first columns."""
    return reading.rows(shop.table(table), *columns)


def source(shop: Shop, table: str, *items: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table of the source, in the order of the items."""
    order = ", ".join(str(number) for number in range(1, len(items) + 1))
    with shop.connect() as connection:
        return connection.execute(f"select {', '.join(items)} from shop.{table} order by {order}").fetchall()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something is true; it has a minute."""
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


class Waiting:
    """Commits that are in the log and seen by nobody: each waits for a synchronous standby that never comes."""

    def __init__(self, shop: Shop) -> None:
        """Name no standby yet."""
        self._shop = shop
        self._processes: dict[str, int] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Waiting:
        """Have every commit of a session that asks for it wait."""
        self._set("alter system set synchronous_standby_names = 'nobody'", "nobody")
        return self

    def __exit__(self, *_: object) -> None:
        """Let all of them go."""
        self._set("alter system reset synchronous_standby_names", "")
        for thread in self._threads:
            thread.join()

    def begin(self, name: str, *statements: str) -> None:
        """Commit statements in one transaction that waits, under a name."""

        def commit() -> None:
            with self._shop.server.connect(self._shop.database) as connection:
                self._processes[name] = connection.info.backend_pid
                with connection.transaction():
                    connection.execute("set local synchronous_commit = on")
                    for statement in statements:
                        connection.execute(statement)

        thread = threading.Thread(target=commit)
        thread.start()
        self._threads.append(thread)
        until(lambda: self.waits(name))

    def end(self, name: str) -> None:
        """Let a commit become visible."""
        with self._shop.connect() as connection:
            connection.execute("select pg_cancel_backend(%s)", [self._processes[name]])
        until(lambda: not self.waits(name))

    def waits(self, name: str) -> bool:
        """Whether a commit waits for its standby."""
        query = "select 1 from pg_stat_activity where pid = %s and wait_event = 'SyncRep'"
        with self._shop.connect() as connection:
            return connection.execute(query, [self._processes.get(name)]).fetchone() is not None

    def _set(self, statement: str, value: str) -> None:
        server: Server = self._shop.server
        with server.connect() as connection:
            connection.execute("set synchronous_commit = local")
            connection.execute(statement)
            connection.execute("select pg_reload_conf()")

        def applied() -> bool:
            with server.connect() as connection:
                return connection.execute("show synchronous_standby_names").fetchone() == (value,)

        until(applied)
