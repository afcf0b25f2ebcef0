"""A standby that lagged is promoted: it hands out transaction ids again that the last run has seen."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, Server, Shop, run_as_postgres
from test_boundary import sent

from tests.postgres_programs import server_programs

BURN = "do $$ begin for i in 1..40 loop perform pg_current_xact_id(); commit; end loop; end $$"
"""Takes 40 transaction ids."""


@pytest.fixture
def standby(server: Server, shop: Shop) -> Iterator[Server]:
    """A copy of the server as it is now, which hears nothing more of it; promote it with its `control`."""
    folder = Path(tempfile.mkdtemp(prefix="headwater-standby-"))
    shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    place = f"host={server.host} port={server.port} user=postgres password='{PASSWORD}'"
    run_as_postgres(str(server_programs() / "pg_basebackup"), "-D", data, "-d", place, "-X", "stream", "-c", "fast")
    (folder / "data" / "standby.signal").touch()
    shutil.chown(folder / "data" / "standby.signal", "postgres", "postgres")
    control = (str(server_programs() / "pg_ctl"), "-D", data, "-l", str(folder / "log"), "-w")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
    run_as_postgres(*control, "-o", options, "start")
    try:
        yield Server("127.0.0.1", port, control)
    finally:
        run_as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def test_row_of_a_promoted_standby_is_not_taken_for_one_that_was_sent(shop: Shop, standby: Server) -> None:
    """Its transaction ids were given out again: rows that are newer than the last run look older."""
    shop.execute(BURN)  # the standby has not come that far
    shop.replicate()
    run_as_postgres(*standby.control, "promote")
    with standby.connect(shop.database) as promoted:
        promoted.execute("insert into shop.orders values (2000, 'after the failover', 1, null, now())")
        promoted.execute("insert into shop.orders values (2001, 'late', 1, null, now() - interval '3 hours')")
        promoted.execute(BURN)
        promoted.execute(BURN)  # further than the last run has seen: nothing but the timeline tells
    place: dict[str, Any] = {"port": standby.port, "batch_config": None}
    again = sent(shop.extract(**place, late_window_seconds=4 * 3600))
    assert {2000, 2001} <= set(again)
    assert sent(shop.extract(**place, late_window_seconds=0)) == [1000, 2000]
    shop.load(shop.extract(port=standby.port))
    assert sent(shop.extract(**place)) == [], "from then on as before"


def test_number_as_key_is_read_in_full_after_a_failover(shop: Shop, standby: Server) -> None:
    """Of numbers nobody knows how far behind a row may commit: everything is read, and replaces what there is."""
    shop.execute(BURN)
    shop.replicate(replication_key="order_id")
    run_as_postgres(*standby.control, "promote")
    with standby.connect(shop.database) as promoted:
        promoted.execute("insert into shop.orders values (-5, 'after the failover', 1, null, now())")
        promoted.execute(BURN)
        promoted.execute(BURN)
    shop.load(shop.extract(port=standby.port, replication_key="order_id"))
    assert [row["order_id"] for row in shop.rows("orders", "order_id")] == [-5, *range(1, 1001)]
    place: dict[str, Any] = {"port": standby.port, "batch_config": None, "replication_key": "order_id"}
    assert sent(shop.extract(**place)) == []


def test_bookmark_of_before_timelines_goes_on(shop: Shop) -> None:
    """A lake that was filled by an older version is not read again."""
    shop.replicate()
    del shop.state["bookmarks"]["orders"]["source_snapshot"]["timeline"]
    shop.execute("insert into shop.orders values (2000, 'new', 1, null, now())")
    assert sent(shop.extract(batch_config=None)) == [2000]


def test_role_that_may_not_ask_for_the_timeline_reads_on(shop: Shop) -> None:
    """Managed databases keep the functions to themselves: the run goes on, and the bookmark says less."""
    shop.execute("revoke execute on function pg_control_checkpoint() from public")
    try:
        shop.replicate()
        assert shop.state["bookmarks"]["orders"]["source_snapshot"]["timeline"] is None
        shop.execute("insert into shop.orders values (2000, 'new', 1, null, now())")
        assert sent(shop.extract(batch_config=None)) == [2000]
    finally:
        shop.execute("grant execute on function pg_control_checkpoint() to public")
