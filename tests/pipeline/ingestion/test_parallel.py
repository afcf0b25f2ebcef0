"""A large table is read by several connections: every row once, of one moment, or none at all."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Server, Shop, contracts, with_accounts
from crash_processes import Fault, Outcome, run
from headwater_singer import ConfigError
from tap_postgres_arrow import parquet
from tap_postgres_arrow.columns import Column
from tap_postgres_arrow.settings import PROGRAM
from tap_postgres_arrow.source import Source, Table

ACCOUNTS = 36_000
BALANCE = 100


@pytest.fixture(scope="module")
def large(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Accounts whose balances always have the same sum."""
    yield from with_accounts(server, tmp_path_factory.mktemp("large"), ACCOUNTS, BALANCE)


def move(
    shop: Shop,
    namespace: str,
    write: str = "append",
    interrupt: Callable[[int, int], None] | None = None,
    fault: Fault | None = None,
    **settings: Any,
) -> Outcome:
    """Run tap and target, as two processes."""
    tap = {**shop.settings, **settings}
    tap["batch_config"] = {**tap["batch_config"], "encoding": {"format": "pipe"}}
    target = {
        "namespace": namespace,
        "contracts": contracts(shop.folder / write, accounts=f"key: [id]\nwrite: {write}"),
    }
    return run(tap, target, {}, fault, interrupt=interrupt)


def loaded(shop: Shop, namespace: str) -> tuple[int, Counter[int], int]:
    """Return data files, how often each account is there, and the sum of the balances."""
    table = Shop(shop.server, "", namespace, shop.folder).table("accounts")
    rows = table.scan(selected_fields=("id", "balance")).to_arrow()
    return len(list(table.scan().plan_files())), Counter(rows["id"].to_pylist()), sum(rows["balance"].to_pylist())


def test_rows_of_one_moment_while_the_source_changes(large: Shop) -> None:
    """Connections that see different moments lose rows and double others: half of a transfer is then missing."""
    ended = threading.Event()
    transfers = 0

    def transfer() -> None:
        nonlocal transfers
        with large.connect() as connection:
            while not ended.is_set():
                # Between the two readers' parts of the table.
                one, other = random.randint(1, ACCOUNTS // 2), random.randint(ACCOUNTS // 2 + 1, ACCOUNTS)
                connection.execute(
                    "update shop.accounts set balance = balance + case id when %(one)s then 1 else -1 end"
                    " where id in (%(one)s, %(other)s)",
                    {"one": one, "other": other},
                )
                transfers += 1

    writer = threading.Thread(target=transfer)
    try:
        outcome = move(large, f"{large.namespace}_moment", interrupt=lambda *_: writer.start())
    finally:
        ended.set()
        writer.join()
    assert outcome.complete, outcome.log
    assert transfers > 10, "the source has to change meanwhile"
    assert "connection less" not in outcome.log
    files, accounts, total = loaded(large, f"{large.namespace}_moment")
    assert files == 2, "one of each reader"
    assert set(accounts.values()) == {1}
    assert len(accounts) == ACCOUNTS
    assert total == ACCOUNTS * BALANCE


def test_a_refused_connection_costs_time_only(large: Shop) -> None:
    """A role's limit of connections is its owner's business: no reason to load nothing."""
    large.execute("alter role reader connection limit 1")
    try:
        outcome = move(large, f"{large.namespace}_refused")
    finally:
        large.execute("alter role reader connection limit -1")
    assert outcome.complete, outcome.log
    assert "reading with a connection less" in outcome.log
    assert loaded(large, f"{large.namespace}_refused")[1:] == (
        Counter(range(1, ACCOUNTS + 1)),
        ACCOUNTS * BALANCE,
    )


def test_a_reader_that_is_cut_off_fails_the_run(large: Shop) -> None:
    """The other reader's file alone would look like a table that has lost half of its rows."""
    killed: list[int] = []

    def cut(*_: int) -> None:
        with large.server.connect() as connection:
            deadline = time.monotonic() + 60
            while not killed and time.monotonic() < deadline:
                found = connection.execute(
                    "select pid, pg_terminate_backend(pid) from (select pid from pg_stat_activity where usename ="
                    " 'reader' and query like 'COPY%%' order by backend_start desc limit 1) a"
                    " where 1 < (select count(*) from pg_stat_activity where usename = 'reader')"
                ).fetchall()
                killed.extend(pid for pid, _ in found)

    outcome = move(large, f"{large.namespace}_cut", interrupt=cut)
    assert killed
    assert outcome.tap == 1, outcome.log
    assert outcome.target == 1, outcome.log
    table = Shop(large.server, "", f"{large.namespace}_cut", large.folder).table("accounts")
    assert table.current_snapshot() is None
    assert list(Path(table.location().removeprefix("file://")).glob("data/*")) == [], "no file is left"
    again = move(large, f"{large.namespace}_cut")
    assert again.complete, again.log
    assert len(loaded(large, f"{large.namespace}_cut")[1]) == ACCOUNTS


@pytest.mark.parametrize(
    "fault",
    [
        Fault("tap", "after", "tap_postgres_arrow.parquet:Statement.write"),
        Fault("tap", "before", "tap_postgres_arrow.parquet:judge"),
        Fault("target", "after", "target_iceberg.files.passage:Passage._store"),
        Fault("target", "after", "target_iceberg.commit.load:Load.adopt"),
    ],
    ids=str,
)
def test_a_process_that_is_killed_between_two_parts(large: Shop, fault: Fault) -> None:
    """One file of two is stored: the next run must neither keep nor publish it."""
    namespace = f"{large.namespace}_{fault.process}_{fault.function.rpartition('.')[2].replace(':', '_')}".lower()
    assert not move(large, namespace, fault=fault).complete
    table = Shop(large.server, "", namespace, large.folder).table("accounts")
    assert table.current_snapshot() is None
    again = move(large, namespace)
    assert again.complete, again.log
    assert loaded(large, namespace) == (2, Counter(range(1, ACCOUNTS + 1)), ACCOUNTS * BALANCE)


@pytest.mark.parametrize("write", ["append", "merge"])
def test_a_row_that_does_not_fit_is_set_apart_from_either_part(large: Shop, write: str) -> None:
    """In a merge all rows come through the first of the pipes: where they break off, the others still have to come."""
    namespace = f"{large.namespace}_unfit_{write}"
    large.execute(f"update shop.accounts set price = 'NaN' where id in (1, {ACCOUNTS})")
    try:
        outcome = move(large, namespace, write)
    finally:
        large.execute("update shop.accounts set price = 1 where price = 'NaN'")
    assert outcome.complete, outcome.log
    assert len(loaded(large, namespace)[1]) == ACCOUNTS - 2
    quarantine = Shop(large.server, "", namespace, large.folder).table("quarantine")
    assert quarantine.scan().to_arrow().num_rows == 2


@pytest.mark.parametrize(("write", "readers", "files"), [("merge", 3, None), ("append", 1, 1)])
def test_all_rows_through_one_connection(large: Shop, write: str, readers: int, files: int | None) -> None:
    """A merge wants Arrow, which comes through the first pipe: the others must not be waited for."""
    namespace = f"{large.namespace}_{write}"
    outcome = move(large, namespace, write, readers=readers)
    assert outcome.complete, outcome.log
    found = loaded(large, namespace)
    assert found[1:] == (Counter(range(1, ACCOUNTS + 1)), ACCOUNTS * BALANCE)
    assert files is None or found[0] == files


def test_partitions_are_divided_like_a_table(large: Shop) -> None:
    """A partitioned table has no blocks of its own: it must be neither read by one connection nor lose a partition."""
    large.execute(
        "create table shop.parts (id int, part int, balance int, note text, primary key (id, part))"
        " partition by list (part)",
        *(
            f"create table shop.parts_{part} partition of shop.parts for values in ({part}) with (fillfactor = 10)"
            for part in (0, 1, 2)
        ),
        "insert into shop.parts select i, case when i % 9 = 0 then i % 2 else 2 end, 1, repeat('n', 350)"
        f" from generate_series(1, {ACCOUNTS}) i",
        "analyze shop.parts",
    )
    try:
        outcome = move(large, f"{large.namespace}_parts")
        config = PROGRAM.checked(large.settings)
        source = Source(config)
        try:
            (table,) = (each for each in source.tables("shop") if each.name == "parts")
        finally:
            source.close()
    finally:
        large.execute("drop table shop.parts")
    assert outcome.complete, outcome.log
    rows = Shop(large.server, "", f"{large.namespace}_parts", large.folder).table("parts").scan()
    assert Counter(rows.to_arrow()["id"].to_pylist()) == Counter(range(1, ACCOUNTS + 1))
    assert len(list(rows.plan_files())) == 2
    assert table.pages > table.depth > table.pages // 2


@pytest.mark.parametrize(
    ("mebibytes", "readers", "count"),
    [(100, 1, 1), (200, 2, 2), (1000, 2, 2), (5000, 2, 6), (5000, 4, 8), (5000, 3, 6)],
)
def test_pieces_keep_all_readers_busy_and_files_below_their_size(mebibytes: int, readers: int, count: int) -> None:
    table = Table("shop", "t", (Column("id", "int8", nullable=False),), ("id",), 100, mebibytes * 128, mebibytes * 128)
    found = parquet.pieces(table, None, 256 << 20, readers)
    assert len(found) == count
    assert len(set(found)) == count


@pytest.mark.parametrize("readers", [0, -1, "2", True])
def test_readers_are_a_number_from_one_on(large: Shop, readers: Any) -> None:
    """There would be no reader, and no row."""
    with pytest.raises(ConfigError, match="readers: "):
        PROGRAM.checked({**large.settings, "readers": readers})
