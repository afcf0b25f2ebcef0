"""A pipeline that is killed, and what has to be true of its tables after each kill."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import reading
from conftest import Shop, contracts
from crash_processes import Fault, Outcome, run
from pyiceberg.catalog import load_catalog
from target_iceberg.admin import positions
from target_iceberg.state.position import read_position

STREAMS = ("items", "orders")  # the tap's order
ROWS = 4_000
CHANGED = 300


@dataclass
class Log:
    """The source's every row version, and a pipeline that loads them."""

    shop: Shop
    expected: dict[str, Counter[tuple[int, int]]]
    write: str = "append"
    layout: str = "arrow"
    positions_are_asked: bool = True
    state: dict[str, Any] = field(default_factory=dict)

    def change(self) -> None:
        """Update some rows and add some, in both tables."""
        with self.shop.connect() as connection:
            for stream in STREAMS:
                cursor = connection.execute(
                    f"with changed as (update shop.{stream} set version = version + 1, updated_at = clock_timestamp()"
                    f"   where id in (select id from shop.{stream} order by random() limit {CHANGED}) returning *),"
                    f" added as (insert into shop.{stream} select (select max(id) from shop.{stream}) + i, 0, 'new',"
                    f"   clock_timestamp() from generate_series(1, {CHANGED}) i returning *)"
                    " select id, version from changed union all select id, version from added"
                )
                self.expected[stream].update(cursor.fetchall())

    def run(self, fault: Fault | None = None, interrupt: Callable[[int, int], None] | None = None) -> Outcome:
        """Run once as headwater-ingest does, and keep the state as Meltano does."""
        settings = {**self.shop.settings}
        settings["batch_config"] = {**settings["batch_config"], "encoding": {"format": self.layout}}
        if self.positions_are_asked:
            path = self.shop.folder / "positions.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(positions(load_catalog(self.shop.lake), self.shop.namespace)))
            settings["positions_file"] = str(path)
        target = {
            "catalog": self.shop.lake,
            "namespace": self.shop.namespace,
            "contracts": contracts(
                self.shop.folder / self.write, **dict.fromkeys(STREAMS, f"key: [id]\nwrite: {self.write}")
            ),
        }
        outcome = run(settings, target, self.state, fault, interrupt=interrupt)
        if outcome.state is not None:
            self.state = outcome.state
        return outcome

    def check(self) -> None:
        """Every version is there, once; of a merged table, the newest of each key."""
        for stream in STREAMS:
            table = self.shop.table(stream)
            loaded = Counter(reading.rows(table, "id", "version"))
            expected = self.expected[stream]
            if self.write == "merge":
                newest: dict[int, int] = {}
                for key, version in self.expected[stream]:
                    newest[key] = max(version, newest.get(key, 0))
                expected = Counter(newest.items())
            lost, doubled = expected - loaded, loaded - expected
            assert not lost, f"{stream}: {len(lost)} rows lost, {list(lost)[:3]}"
            assert not doubled, f"{stream}: {len(doubled)} rows doubled, {list(doubled)[:3]}"

    def check_all_or_none(self) -> None:
        """Whoever asks where the tables stand finds all of a run's, or none."""
        positions(load_catalog(self.shop.lake), self.shop.namespace)
        found = {stream: read_position(self.shop.table(stream).metadata) for stream in STREAMS}
        runs = {None if each is None else each.run_id for each in found.values()}
        assert len(runs) == 1, f"half a run is published: {found}"

    @classmethod
    def of(cls, shop: Shop) -> Log:
        """Fill a new shop: two tables of ROWS rows."""
        expected = {}
        for stream in STREAMS:
            shop.execute(
                f"create table shop.{stream} (id bigint primary key, version int not null, note text,"
                " updated_at timestamptz not null)",
                f"insert into shop.{stream} select i, 0, 'x', clock_timestamp() from generate_series(1, {ROWS}) i",
            )
            expected[stream] = Counter((number, 0) for number in range(1, ROWS + 1))
        return cls(shop, expected)

    def survive(self, faults: Sequence[Fault]) -> None:
        """Be killed at each fault; check after the next run."""
        assert self.run().complete
        for fault in faults:
            self.change()
            killed = self.run(fault)
            assert -signal.SIGKILL in {killed.tap, killed.target}, f"{fault}: never reached\n{killed.log}"
            try:
                self.check_all_or_none()
                after = self.run()
                assert after.complete, f"the next run failed\n{after.log}"
                self.check()
            except AssertionError as error:
                raise AssertionError(f"{fault}: {error}") from error
