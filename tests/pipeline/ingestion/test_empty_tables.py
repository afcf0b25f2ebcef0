"""A table without rows is loaded like any other, again and again: no run is refused because none has come."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import reading
from conftest import Shop
from crash_processes import run
from following import drop_slots
from pyiceberg.catalog import load_catalog
from target_iceberg.admin import positions

EMPTIED = "on_drift: {emptied: accept}\n"
CONTRACTS = {
    "append": f"key: [pet_id]\n{EMPTIED}",
    "merge keep": f"key: [pet_id]\nwrite: merge\n{EMPTIED}",
    "merge soft": f"key: [pet_id]\nwrite: merge\ndeletes: soft\n{EMPTIED}",
    "merge hard": f"key: [pet_id]\nwrite: merge\ndeletes: hard\n{EMPTIED}",
}
KEYS = {
    "by_time": "updated_at timestamptz not null default clock_timestamp()",
    "by_number": "updated_at bigint generated always as identity",
    "without_time": "updated_at timestamptz",
    "in_full": "note text",
}
"""Tables, and what tells which of their rows are new; of the last nothing does."""
FOLLOWED = {"by_log": "note text"}


@dataclass
class Pets:
    """Tables of pets, moved in one way and written in one way."""

    shop: Shop
    tables: Mapping[str, str]
    layout: str | None
    told: bool
    """Whether the tap is told where the tables stand, as headwater-ingest does."""

    def execute(self, statement: str) -> None:
        """Do the same to each table, `{}` in the statement."""
        self.shop.execute(*(statement.replace("{}", f"shop.{name}") for name in self.tables))

    def add(self, first: int, last: int) -> None:
        self.execute(f"insert into {{}} (pet_id, name) select i, 'a pet' from generate_series({first}, {last}) i")

    def load(self, *, full_refresh: bool = False) -> None:
        settings: dict[str, Any] = {"replication_key": "updated_at"}
        if self.tables is FOLLOWED:
            settings |= {"publication": "headwater", "slot": self.shop.slot}
        if full_refresh:
            self.shop.state = {}
        elif self.told:
            asked = self.shop.folder / "positions.json"
            asked.parent.mkdir(parents=True, exist_ok=True)
            asked.write_text(json.dumps(positions(load_catalog("lake"), self.shop.namespace), default=str))
            settings["positions_file"] = str(asked)
        if self.layout is None:
            self.shop.replicate(**settings, batch_config=None)
            return
        batches = {**self.shop.settings["batch_config"], "encoding": {"format": self.layout}}
        target = {"namespace": self.shop.namespace, **self.shop.contracts}
        outcome = run({**self.shop.settings, **settings, "batch_config": batches}, target, self.shop.state)
        assert outcome.complete, outcome.log
        assert outcome.state is not None
        self.shop.state = outcome.state

    def ids(self, name: str) -> list[int]:
        """Return the keys in the lake, without those of rows that are marked as removed."""
        table = self.shop.table(name)
        if table.current_snapshot() is None:
            return []
        where = "_sdc_deleted_at is null" if "_sdc_deleted_at" in table.schema().column_names else "true"
        return [number for (number,) in reading.rows(table, "pet_id", where=where)]


@pytest.fixture
def pets(new_shop: Callable[[], Shop], request: pytest.FixtureRequest) -> Iterator[Pets]:
    tables, write, layout = request.param
    shop = new_shop()
    made = Pets(shop, tables, layout, told=write != "append")
    for name, column in tables.items():
        shop.contract(CONTRACTS[write], name)
        shop.execute(f"create table shop.{name} (pet_id int primary key, name text, {column})")
    shop.slot = f"hw_{shop.database}"
    if tables is FOLLOWED:
        shop.execute("alter role reader replication", "create publication headwater for all tables")
    yield made
    if tables is FOLLOWED:
        drop_slots(shop)


CASES = [
    *itertools.product((KEYS, FOLLOWED), CONTRACTS, [None]),
    *itertools.product((KEYS,), ("append", "merge soft"), ["pipe"]),
]
EACH = pytest.mark.parametrize(
    "pets",
    CASES,
    ids=[f"{', '.join(tables)}-{write}-{way or 'records'}" for tables, write, way in CASES],
    indirect=True,
)


@EACH
def test_tables_that_were_empty_at_their_first_loads(pets: Pets) -> None:
    """Such loads leave no commit that tells where the table stands: the run after them is refused, or loses rows."""
    for _ in range(2):
        pets.load()
        assert [pets.ids(name) for name in pets.tables] == [[]] * len(pets.tables)
    pets.add(1, 3)
    for _ in range(2):
        pets.load()
        assert [pets.ids(name) for name in pets.tables] == [[1, 2, 3]] * len(pets.tables)
    pets.add(4, 5)
    pets.load()
    for name in pets.tables:
        assert sorted(set(pets.ids(name))) == [1, 2, 3, 4, 5]


@EACH
def test_tables_that_have_no_rows_any_more(pets: Pets) -> None:
    """The bookmark is of rows that are gone: runs that find none are refused from then on.

    A complete read of an empty table commits no bookmark, and the runs after it have to fit to that.
    """
    for number, emptied in enumerate(("delete from {}", "truncate {}", "delete from {}")):
        first = 10 * number
        pets.add(first, first + 2)
        pets.load()
        pets.execute(emptied)
        pets.load(full_refresh=number == 2)
        pets.load()
        pets.add(first + 3, first + 4)
        for _ in range(2):
            pets.load()
            for name in pets.tables:
                assert {first + 3, first + 4} <= set(pets.ids(name))


@pytest.mark.parametrize("layout", ["pipe", None])
@pytest.mark.parametrize("tables", [{"pets": KEYS["by_time"]}, FOLLOWED], ids=["by time", "by the log"])
def test_table_of_which_no_row_fits(new_shop: Callable[[], Shop], tables: dict[str, str], layout: str | None) -> None:
    """All rows are set aside, and the tap has read them: the table stands at its beginning, the state does not.

    The next run was refused, the one after it read everything, and so on by turns.
    """
    shop = new_shop()
    pets, (name,) = Pets(shop, tables, layout, told=False), tables
    limits = "quarantine: {rows: 100, share: 100%}\ncolumns: {pet_id: integer, name: {type: bigint, cast: true}}\n"
    shop.contract(f"{CONTRACTS['merge hard']}{limits}", name)
    shop.slot = f"hw_{shop.database}"
    pets.execute(f"create table {{}} (pet_id int primary key, name text, {tables[name]})")
    if tables is FOLLOWED:
        shop.execute("alter role reader replication", "create publication headwater for all tables")
    try:
        pets.add(1, 3)
        for _ in range(2):
            pets.load()
            assert pets.ids(name) == []
            assert len(shop.quarantine()) == 3
        pets.execute("update {} set name = '7'" + ("" if tables is FOLLOWED else ", updated_at = clock_timestamp()"))
        for _ in range(2):
            pets.load()
            assert pets.ids(name) == [1, 2, 3]
            assert shop.quarantine() == []
    finally:
        drop_slots(shop)
