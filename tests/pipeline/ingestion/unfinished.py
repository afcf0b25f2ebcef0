"""A table that is read in many pieces, by runs that die, and what has to be true of it after the one that does not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import Shop, contracts
from crash_processes import Fault, Outcome, run
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from target_iceberg.commit.progress import PROGRESS, kept
from target_iceberg.files.orphans import held, load_of, orphans
from target_iceberg.state.position import summary_of

ROWS, PIECES = 800, 8
KEPT = "target_iceberg.commit.progress:Progress.keep"


def dies(number: int) -> Fault:
    """Return the death of the target once so many pieces are kept."""
    return Fault("target", "after", KEPT, number)


@dataclass
class Unfinished:
    """Pieces of a quarter of 100 blocks; four rows to a block, and none has free space but where rows are deleted."""

    shop: Shop
    settings: dict[str, Any] = field(default_factory=dict)
    write: str = "key: [id]\nwrite: append"

    @classmethod
    def of(cls, shop: Shop, columns: str = "", values: str = "") -> Unfinished:
        """Fill a new shop."""
        shop.execute(
            "create type shop.mood as enum ('glad', 'sad')",
            "create type shop.place as (street text, number int)",
            f"create table shop.rows (id int primary key, version int not null default 0, note text{columns})",
            f"insert into shop.rows select i, 0, repeat('n', 1900){values} from generate_series(1, {ROWS}) i",
            "vacuum analyze shop.rows",
        )
        return cls(shop)

    def run(self, fault: Fault | None = None, meanwhile: Callable[[], None] | None = None) -> Outcome:
        """Load once, as the first time."""
        tap = {**self.shop.settings, "piece_bytes": ROWS // 4 * 8192 // PIECES + 8192, "checkpoint_seconds": 0}
        tap["batch_config"] = {**tap["batch_config"], "encoding": {"format": "pipe"}}
        target = {
            "namespace": self.shop.namespace,
            "contracts": contracts(self.shop.folder / "contracts", rows=self.write),
        }
        return run({**tap, **self.settings}, target, {}, fault, meanwhile=meanwhile)

    def die(self, number: int) -> Outcome:
        """Load until so many pieces are kept."""
        outcome = self.run(dies(number))
        assert not outcome.complete, f"never reached\n{outcome.log}"
        assert len(self.pieces) == number, outcome.log
        return outcome

    def finish(self, *, orphaned: bool = False) -> Outcome:
        """Load to the end; check the table, and that nothing is left, but for what is `orphaned`."""
        outcome = self.run()
        assert outcome.complete, outcome.log
        self.check(orphaned=orphaned)
        return outcome

    @property
    def table(self) -> Table:
        return load_catalog("lake").load_table((self.shop.namespace, "rows"))

    @property
    def pieces(self) -> list[dict[str, Any]]:
        """What is kept."""
        try:
            found = kept(self.table.metadata)
        except NoSuchTableError:
            return []
        return [] if found is None else list(json.loads(summary_of(found)[PROGRESS])["pieces"])

    def check(self, *, orphaned: bool = False) -> None:
        """The table is the source's, once; nothing is kept, and no file is there that it has not, and never had.

        What a process had not kept yet when it was killed is `orphaned`: known as that.
        """
        scan = self.table.scan()
        rows = scan.to_arrow()
        names = [name for name in rows.schema.names if name != "_loaded_at"]
        with self.shop.connect() as connection:
            listed = ", ".join(f'"{name}"' for name in names)
            expected = Counter(map(str, connection.execute(f"select {listed} from shop.rows").fetchall()))
        found = Counter(map(str, zip(*(rows[name].to_pylist() for name in names), strict=True)))
        assert not expected - found, f"lost: {[each[:60] for each in expected - found][:3]}"
        assert not found - expected, f"doubled: {[each[:60] for each in found - expected][:3]}"
        assert len(set(rows["_loaded_at"].to_pylist())) <= 1, "one load has one time"
        assert kept(self.table.metadata) is None
        assert {task.file.file_path for task in scan.plan_files()} <= self.files()
        assert self.files() - held(self.table) == (set(orphans(self.table)) if orphaned else set())

    def files(self) -> set[str]:
        """Return the data files that are stored."""
        folder = Path(self.table.location().removeprefix("file://")) / "data"
        return {f"file://{path}" for path in folder.rglob("*.parquet")}

    def runs(self) -> list[int]:
        """Return how many files of the table each run has written, the fewest first."""
        return sorted(Counter(load_of(task.file.file_path) for task in self.table.scan().plan_files()).values())
