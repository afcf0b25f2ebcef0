"""A run that leads, and the pods that read pieces of its table."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from conftest import PASSWORD, Shop, contracts
from crash_processes import LONGEST_RUN_SECONDS, Fault, Outcome, run
from pyiceberg.catalog import load_catalog

ROWS = 36_000
JUDGED = Fault("tap", "after", "tap_postgres_arrow.bulk:judged")
"""Where the run that leads has read its first pieces, and before it says so."""


@dataclass
class Pods:
    """A run that leads and those that read for it; each is a tap and a target."""

    shop: Shop
    namespace: str
    share: str = field(default_factory=lambda: str(uuid.uuid4()))
    write: str = "append"
    settings: dict[str, Any] = field(default_factory=dict)
    readers: list[threading.Thread] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def lead(self, meanwhile: Callable[[], None] | None = None, fault: Fault | None = None) -> Outcome:
        """Run the pod that leads; `meanwhile` is called once it has read its own first pieces."""
        share = {
            "id": self.share,
            "pods": 1,
            "request": str(self.shop.folder / f"{self.share}.request"),
            "least_bytes": 1,
        }
        if meanwhile is not None:
            fault = JUDGED
        outcome = self._run(share, fault, meanwhile)
        for reader in self.readers:
            reader.join(LONGEST_RUN_SECONDS)
        return outcome

    def read(self, fault: Fault | None = None) -> Outcome:
        """Run a pod that reads, to its end."""
        self.outcomes.append(self._run({"id": self.share, "reads": True}, fault, None))
        return self.outcomes[-1]

    def read_beside(self) -> None:
        """Start a pod that reads, and return once it has read a piece."""
        self.readers.append(threading.Thread(target=self.read))
        self.readers[-1].start()
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        while not self.shares("select 1 from headwater_piece where share = %s and result is not null"):
            assert time.monotonic() < deadline, "no piece was read"
            assert not self.outcomes, self.outcomes
            time.sleep(0.05)

    def shares(self, sql: str) -> list[Any]:
        """Ask the queue's database."""
        with self.shop.server.connect() as connection:
            return connection.execute(sql, [self.share]).fetchall()

    def _run(self, share: dict[str, Any], fault: Fault | None, meanwhile: Callable[[], None] | None) -> Outcome:
        shop = self.shop
        tap = {**shop.settings, **self.settings, "share": json.dumps(share)}
        tap["share_database"] = self.database("postgres")
        tap["batch_config"] = {**tap["batch_config"], "encoding": {"format": "pipe"}}
        target = {
            "namespace": self.namespace,
            "contracts": contracts(shop.folder / self.write, accounts=f"key: [id]\nwrite: {self.write}"),
        }
        return run(tap, target, {}, fault, meanwhile=meanwhile)

    def database(self, name: str) -> str:
        """Return the URL of a database, as Meltano's setting has it."""
        server = self.shop.server
        return f"postgresql+psycopg2://postgres:{quote(PASSWORD, safe='')}@{server.host}:{server.port}/{name}"

    @property
    def table(self) -> Any:
        """The table that is loaded."""
        return load_catalog("lake").load_table((self.namespace, "accounts"))

    def check(self, rows: int = ROWS, files: int = 3) -> None:
        """Every row is there, once; each piece is a file."""
        found = Counter(self.table.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist())
        assert len(found) == rows
        assert set(found.values()) == {1}
        paths = [task.file.file_path for task in self.table.scan().plan_files()]
        assert len(paths) == files
        assert len(self.table.snapshots()) == 1, "one commit at the end"
