"""Random changes between runs that die: what the last one keeps and reads is what the source has, in its own snapshot.

Without a target: what it would hold is a list of rows for each piece.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from conftest import Shop
from headwater_tap.selection import FULL_TABLE, Selection
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tap_postgres_arrow.pieces import divided
from tap_postgres_arrow.progress import Progress, Resume
from tap_postgres_arrow.reading import Reading
from tap_postgres_arrow.settings import PROGRAM
from tap_postgres_arrow.source import Source

ROWS = 96
LAYOUT = {"constants": {}, "codec": "zstd", "level": 1, "file_bytes": 1 << 28, "progress": {}}
Row = tuple[int, int]

IDS = st.integers(1, ROWS + 20)
CHANGES = st.one_of(
    st.tuples(st.just("update shop.rows set version = version + 1 where id between {0} and {0} + 2"), IDS),
    st.tuples(st.just("delete from shop.rows where id between {0} and {0} + 5"), IDS),
    st.tuples(
        st.just(
            "insert into shop.rows select i, 100, repeat('n', 1900) from generate_series({0}, {0} + 3) i"
            " on conflict (id) do update set version = 7"
        ),
        IDS,
    ),
    st.tuples(st.just("savepoint s; update shop.rows set version = 50 where id = {0}; release s"), IDS),
    st.tuples(st.just("vacuum"), st.just(0)),
    st.tuples(st.just("freeze"), st.just(0)),
    st.tuples(st.just("open"), st.just(0)),
    st.tuples(st.just("commit"), st.just(0)),
    st.tuples(st.just("rollback"), st.just(0)),
)
"""Statements with a row's number; `open` has those that follow happen in one transaction, until it ends."""


class Held:
    """What a target would hold."""

    def __init__(self) -> None:
        self.told: Mapping[str, Any] = {}
        self.files: dict[str, list[Row]] = {}

    def tell(self, told: Mapping[str, Any]) -> None:
        self.told = json.loads(json.dumps(told))

    def offer(self) -> dict[str, Any]:
        """Return what it says to the next run."""
        if not self.told:
            return {}
        pieces = [
            {**each, "rows": sum(len(self.files[file]) for file in each["files"])} for each in self.told["pieces"]
        ]
        return {**self.told, "pieces": pieces}


class World:
    """One table, those who change it, and runs that read it."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.held = shop, Held()
        self.names = map(str, itertools.count())
        self.kept = 0
        self._stack = ExitStack()
        self.connection = self._stack.enter_context(shop.connect())
        self.open: Any = None
        shop.execute(
            "drop table if exists shop.rows",
            "create table shop.rows (id int primary key, version int not null, note text)",
            f"insert into shop.rows select i, 0, repeat('n', 1900) from generate_series(1, {ROWS}) i",
            # Free places everywhere: what is added later comes between rows that are read.
            "delete from shop.rows where id % 4 = 0",
            "vacuum (index_cleanup on) shop.rows",
        )

    def close(self) -> None:
        self.end("rollback")
        self._stack.close()

    def end(self, how: str) -> None:
        if self.open is not None:
            self.open.execute(how)
            self.open.close()
            self.open = None

    def change(self, statement: str, number: int) -> None:
        match statement:
            case "open":
                if self.open is None:
                    self.open = self.shop.connect()
                    self.open.execute("begin")
            case "commit" | "rollback":
                self.end(statement)
            case "vacuum" | "freeze":
                self.connection.execute(f"vacuum (index_cleanup on, freeze {statement == 'freeze'}) shop.rows")
            case _:
                # Whoever has no lock to wait for: rows that the open transaction has changed are its own.
                connection = self.connection if self.open is None else self.open
                texts = statement.format(number).split("; ")
                if len(texts) > 1 and self.open is None:
                    texts = ["begin", *texts, "commit"]
                for text in texts:
                    connection.execute(text)

    def run(self, number: int | None) -> None:
        """Read so many pieces and die, or read all (None) and compare."""
        source = Source(PROGRAM.checked(self.shop.settings))
        try:
            (table,) = source.tables("shop")
            schema = {"properties": {"id": {}, "version": {}}}
            selection = Selection(schema, frozenset({"id", "version"}), ("id",), None, FULL_TABLE)
            reading = Reading(source, table, selection, {}, dt.timedelta(0))
            progress = Progress.begin(reading, Resume(0, 4 * 8192, self.held.tell), LAYOUT)
            assert progress is not None
            files = progress.go_on(
                self.held.offer(), lambda chosen: [progress.count(source.connection, each) for each in chosen]
            )
            self.kept += len(files)
            found = Counter(row for file in files for row in self.held.files[file])
            pieces = divided(reading, LAYOUT, 1, None, progress)
            while now := pieces.take(1):
                if number == 0:
                    return
                number = None if number is None else number - 1
                (piece,) = now
                name = next(self.names)
                self.held.files[name] = self.rows(source, f"where {piece.condition}")
                found.update(self.held.files[name])
                progress.done(piece.blocks, name, None)
                progress.tell()
            assert found == Counter(self.rows(source, ""))
        finally:
            source.close()

    @staticmethod
    def rows(source: Source, condition: str) -> list[Row]:
        return [(row[0], row[1]) for row in source.connection.query(f"select id, version from shop.rows {condition}")]


@pytest.fixture(scope="module")
def kept() -> Iterator[list[int]]:
    """How many pieces all runs have kept: a test in which none is would prove nothing."""
    counted: list[int] = []
    yield counted
    assert sum(counted) > 50


@pytest.fixture
def place(new_shop: Callable[[], Shop]) -> Shop:
    """One database for all examples."""
    return new_shop()


@seed(99)
@settings(
    max_examples=15, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(st.tuples(st.lists(CHANGES, max_size=6), st.integers(0, 9)), min_size=1, max_size=4), st.lists(CHANGES))
def test_any_changes_between_runs_that_die(
    place: Shop, kept: list[int], runs: list[tuple[list[Any], int]], last: list[Any]
) -> None:
    world = World(place)
    try:
        for changes, number in runs:
            for change in changes:
                world.change(*change)
            world.run(number)
        for change in last[:6]:
            world.change(*change)
        world.run(None)
        kept.append(world.kept)
    finally:
        world.close()
