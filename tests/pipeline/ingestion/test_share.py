"""A very large table is read by several pods: every row once, whoever of them dies when."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from conftest import PASSWORD, Server, Shop, contracts, with_accounts
from crash_processes import LONGEST_RUN_SECONDS, Fault, Outcome, run
from entry_point import EntryPoint, pipes
from pyiceberg.catalog import load_catalog
from target_iceberg.files.orphans import orphans

ROWS = 36_000
JUDGED = Fault("tap", "after", "tap_postgres_arrow.bulk:judged")
"""Where the run that leads has read its first pieces, and before it says so."""


@pytest.fixture(scope="module")
def large(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A table that is large enough for several pieces."""
    yield from with_accounts(server, tmp_path_factory.mktemp("share"), ROWS, 1)


@dataclass
class Pods:
    """A run that leads and those that read for it; each is a tap and a target."""

    shop: Shop
    namespace: str
    share: str = field(default_factory=lambda: str(uuid.uuid4()))
    write: str = "append"
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
        tap = {**shop.settings, "share": json.dumps(share)}
        tap["share_database"] = self.database("postgres")
        tap["batch_config"] = {**tap["batch_config"], "encoding": {"format": "pipe"}}
        target = {
            "namespace": self.namespace,
            "validate_records": False,
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


@pytest.fixture
def pods(large: Shop) -> Pods:
    """Pods that load the large table into a namespace of their own."""
    return Pods(large, f"raw_{uuid.uuid4().hex[:8]}")


def test_pods_read_pieces_of_one_moment_and_one_commits(pods: Pods) -> None:
    """Rows that change between two pods' reads are lost or doubled if each sees a moment of its own."""

    def change_and_read() -> None:
        pods.shop.execute(f"update shop.accounts set balance = 2 where id in (1, {ROWS})")
        try:
            pods.read_beside()
        finally:
            pods.shop.execute("update shop.accounts set balance = 1 where balance = 2")

    outcome = pods.lead(change_and_read)
    assert outcome.complete, outcome.log
    (reader,) = pods.outcomes
    assert reader.complete, reader.log
    assert "Reading piece" in reader.log
    assert reader.state is None, "only the run that leads says where the stream stands"
    pods.check()
    assert set(pods.table.scan(selected_fields=("balance",)).to_arrow()["balance"].to_pylist()) == {1}
    assert pods.shares("select 1 from headwater_share where id = %s") == [], "nothing is left in the queue"


def test_pods_that_never_come_cost_nothing(pods: Pods) -> None:
    """A cluster without room must not keep a load from its end."""
    outcome = pods.lead()
    assert outcome.complete, outcome.log
    asked = json.loads((pods.shop.folder / f"{pods.share}.request").read_text())
    assert asked == {"share": pods.share, "pods": 1}
    pods.check()
    late = pods.read()
    assert late.complete, late.log
    assert "has ended" in late.log


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault("tap", "after", "tap_postgres_arrow.share:Queue.take"), 0),
        (Fault("tap", "after", "tap_postgres_arrow.engine:Connection.copy"), 1),
        (Fault("target", "before", "target_iceberg.files.passage:with_field_ids"), 1),  # half a file, in a folder
        (Fault("target", "after", "target_iceberg.files.passage:Passage._store"), 1),
        (Fault("tap", "before", "tap_postgres_arrow.share:Queue.done"), 1),
        (Fault("tap", "after", "tap_postgres_arrow.share:Queue.done"), 0),
    ],
    ids=str,
)
def test_a_pod_that_is_killed_loses_and_doubles_nothing(pods: Pods, fault: Fault, left: int) -> None:
    """Its piece is read by another, and what it had stored by then is never part of the table, but an orphan."""

    def read() -> None:
        killed = pods.read(fault)
        assert not killed.complete, f"never reached\n{killed.log}"

    outcome = pods.lead(read)
    assert outcome.complete, outcome.log
    pods.check()
    found = set(orphans(pods.table))
    assert len(found) == left
    assert not found & {task.file.file_path for task in pods.table.scan().plan_files()}


def test_pods_end_when_their_leader_is_killed(pods: Pods) -> None:
    """They would wait for pieces for ever; and what the dead one has left in the queue goes with the next run."""
    leader = pods.lead(fault=Fault("tap", "before", "tap_postgres_arrow.bulk:judged"))
    assert not leader.complete
    assert pods.shares("select 1 from headwater_share where id = %s") != []
    reader = pods.read()
    assert reader.complete, reader.log
    assert "has ended" in reader.log
    again = Pods(pods.shop, pods.namespace)
    outcome = again.lead(again.read_beside)
    assert outcome.complete, outcome.log
    again.check()
    assert pods.shares("select 1 from headwater_share where id = %s") == []


def test_a_row_that_does_not_fit_is_found_in_another_pods_piece(pods: Pods) -> None:
    """The engine reads NaN as 0: whoever reads a piece, its statistics have to be looked at."""
    pods.shop.execute(f"update shop.accounts set price = 'NaN' where id = {ROWS}")
    try:
        outcome = pods.lead(pods.read_beside)
    finally:
        pods.shop.execute("update shop.accounts set price = 1 where price = 'NaN'")
    assert outcome.complete, outcome.log
    found = pods.table.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    assert Counter(found) == Counter(range(1, ROWS))
    assert load_catalog("lake").load_table((pods.namespace, "quarantine")).scan().to_arrow().num_rows == 1


def test_a_merge_is_not_shared(pods: Pods) -> None:
    """Its rows are compared one by one: the target asks for Arrow, and names no place."""
    pods.write = "merge"
    outcome = pods.lead()
    assert outcome.complete, outcome.log
    assert not (pods.shop.folder / f"{pods.share}.request").exists()
    assert pods.table.scan().to_arrow().num_rows == ROWS


def test_a_file_of_another_load_is_refused(pods: Pods) -> None:
    """What the tap says is stored becomes part of the table: only what this run has asked for may."""
    assert pods.lead().complete
    (path, *_) = (task.file.file_path for task in pods.table.scan().plan_files())
    with pytest.raises(ValueError, match="was not stored for load 2 of run"):
        Shop(pods.shop.server, "", pods.namespace, pods.shop.folder).load(
            [
                {
                    "type": "SCHEMA",
                    "stream": "accounts",
                    "schema": {"properties": {"id": {"type": "integer"}}},
                    "key_properties": ["id"],
                },
                {"type": "BATCH", "stream": "accounts", "encoding": {"format": "stored"}, "manifest": [path]},
            ]
        )


def test_headwater_ingest_asks_for_pods_and_reads_for_others(pods: Pods, tmp_path: Path) -> None:
    """What a pod runs: `meltano run` on both sides, one of which has a state."""
    shop = pods.shop
    database = f"meltano_{uuid.uuid4().hex[:8]}"
    with shop.server.connect() as connection:
        connection.execute(f"create database {database}")
    source = {
        "SHOP_HOST": shop.server.host,
        "SHOP_PORT": str(shop.server.port),
        "SHOP_DATABASE": shop.database,
        "SHOP_USER": "reader",
        "SHOP_PASSWORD": PASSWORD,
        "MELTANO_DATABASE_URI": pods.database(database),
        "HEADWATER_READER_PODS": "16",
        "HEADWATER_SHARED_FROM_BYTES": "1",
    }
    ingest = EntryPoint(tmp_path, pods.namespace, source)
    ended = []
    leader = threading.Thread(target=lambda: ended.append(ingest(**pipes("raw/accounts"))))
    leader.start()
    # All pieces but the leader's own are kept from it until the other has started.
    with shop.server.connect(database) as held:
        share = wait_for(held, "select share from headwater_piece where number = 17")
        held.execute("select pg_try_advisory_lock(hashtext(%s), n) from generate_series(2, 17) n", [share])
        reader_ended = []
        reader = threading.Thread(target=lambda: reader_ended.append(ingest("--reads-for", share)))
        reader.start()
        wait_for(
            held,
            "select 1 from pg_stat_activity where application_name = 'headwater-ingestion'"
            " and datname = current_database() having count(*) = 2",
        )
    reader.join()
    leader.join()
    assert ended[0].returncode == 0, ended[0].stdout + ended[0].stderr
    assert reader_ended[0].returncode == 0, reader_ended[0].stdout + reader_ended[0].stderr
    assert "Reading piece" in reader_ended[0].stdout
    pods.check(files=18)
    messages = [json.loads(line) for line in ended[0].stdout.splitlines() if "__dagster_pipes" in line]
    assert {"share": share, "pods": 16} in [
        each["params"]["payload"]["headwater/readers"] for each in messages if each["method"] == "report_custom_message"
    ]
    with shop.server.connect(database) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (1,), "the reader has no run of its own"


def wait_for(connection: psycopg.Connection[Any], sql: str) -> Any:
    """Return the first value of a query once it has a row."""
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.errors.UndefinedTable):
            if (found := connection.execute(sql).fetchone()) is not None:
                return found[0]
        time.sleep(0.005)
    raise AssertionError(f"nothing came: {sql}")
