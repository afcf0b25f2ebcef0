"""A very large table is read by several pods: every row once, whoever of them dies when."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import PASSWORD, Server, Shop, with_accounts
from crash_processes import LONGEST_RUN_SECONDS, Fault
from entry_point import EntryPoint, pipes
from pyiceberg.catalog import load_catalog
from sharing import ROWS, Pods
from target_iceberg.commit.progress import PROGRESS
from target_iceberg.files.orphans import orphans


@pytest.fixture(scope="module")
def large(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A table that is large enough for several pieces."""
    yield from with_accounts(server, tmp_path_factory.mktemp("share"), ROWS, 1)


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


def test_what_other_pods_have_read_is_kept_too(pods: Pods) -> None:
    """A leader that dies in hour six would else go on from its own pieces only."""
    pods.settings = {"piece_bytes": 16 << 20, "checkpoint_seconds": 0}
    outcome = pods.lead(pods.read_beside)
    assert outcome.complete, outcome.log
    pods.check(files=len(list(pods.table.scan().plan_files())))
    earlier = [
        json.loads(Path(each.metadata_file.removeprefix("file://")).read_text())
        for each in pods.table.metadata.metadata_log
    ]
    told = [snapshot["summary"].get(PROGRESS, "") for each in earlier for snapshot in each.get("snapshots", [])]
    # A file that another pod has stored has its attempt in its name.
    assert any(re.search(r"-\d{5}-[0-9a-f]{8}\.parquet", each) for each in told), told


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
        each["params"]["payload"].get("headwater/readers")
        for each in messages
        if each["method"] == "report_custom_message"
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
