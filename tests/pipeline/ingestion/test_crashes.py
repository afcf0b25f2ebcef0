"""No row is lost or doubled, whichever process dies between whichever two steps."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from conftest import Shop
from crash_log import STREAMS, Log
from crash_points import FAULTS, FILE, MERGE, OUT, PASSAGE, PUBLICATION, SESSION, STATE
from crash_processes import Fault
from pyiceberg.catalog import load_catalog
from target_iceberg.admin import positions

RANDOM_KILLS = int(os.environ.get("HEADWATER_RANDOM_KILLS", "6"))
ROUND = 10
"""Kills of one test: many are shown as they pass."""


@pytest.fixture
def log(new_shop: Callable[[], Shop]) -> Log:
    return Log.of(new_shop())


def test_kill_at_every_step(log: Log) -> None:
    """A crash between the commit and the state doubles rows; one before the commit loses them."""
    log.survive(FAULTS)


def test_kill_at_every_step_of_a_passage(log: Log) -> None:
    """A file that passes through as the engine writes it counts only when it is complete and its values are checked."""
    log.layout = "pipe"
    log.survive(PASSAGE)


def test_kill_while_tables_are_published(log: Log) -> None:
    """Half a run that stays half: dashboards would join new orders with old items."""
    log.survive(PUBLICATION)


def test_kill_at_every_step_of_a_merge(log: Log) -> None:
    """Delete files without their rows lose rows, rows without their delete files double them."""
    log.write = "merge"
    log.survive([*MERGE, *PUBLICATION])


@pytest.mark.parametrize("write", ["append", "merge"])
def test_kill_during_the_recovery_from_a_kill(log: Log, write: str) -> None:
    """What a killed run left is completed by a run that may be killed itself."""
    log.write, log.positions_are_asked = write, False
    assert log.run().complete
    for first in (Fault("target", "after", SESSION, 1), Fault("target", "after", SESSION, 3)):
        for second in (
            Fault("target", "before", "target_iceberg.commit.publish:settle"),
            Fault("target", "before", SESSION),
            Fault("target", "after", SESSION),
        ):
            log.change()
            assert log.run(first).target == -signal.SIGKILL
            assert log.run(second).target == -signal.SIGKILL, f"{first}, {second}: never reached"
            # Not asked for positions, the run that finds other bookmarks than its own refuses, and corrects the state.
            assert log.run().complete or log.run().complete, f"{first}, {second}"
            log.check()
            log.check_all_or_none()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("target", "after", "target_iceberg.commit.load:ensure_table"),
        Fault("target", "after", f"{FILE}.close"),
        Fault("target", "after", SESSION),
        Fault("target", "before", STATE),
        Fault("tap", "after", f"{OUT}.write", 3),
    ],
    ids=str,
)
def test_kill_during_the_first_load(log: Log, fault: Fault) -> None:
    """There is no state and no table yet to go by."""
    killed = log.run(fault)
    assert -signal.SIGKILL in {killed.tap, killed.target}, killed.log
    log.change()
    # Versions that were never visible to a completed load are legitimately skipped: only the latest remain.
    committed = positions(load_catalog("lake"), log.shop.namespace)
    for stream in STREAMS:
        if stream not in committed:
            with log.shop.connect() as connection:
                log.expected[stream] = Counter(connection.execute(f"select id, version from shop.{stream}").fetchall())
    assert log.run().complete
    log.check()


@pytest.mark.parametrize("write", ["append", "merge"])
@pytest.mark.parametrize("round_", range(-(-RANDOM_KILLS // ROUND)))
def test_kill_at_random_times(log: Log, write: str, round_: int) -> None:
    """The steps that nobody thought of. `make soak` for the long version."""
    log.write = write
    chance = random.Random(20261123 + round_)
    assert log.run().complete
    for number in range(min(ROUND, RANDOM_KILLS - ROUND * round_)):
        log.change()
        delay, victim = chance.uniform(0, 1.2), chance.choice([0, 1])

        def interrupt(*processes: int, victim: int = victim, delay: float = delay) -> None:
            threading.Event().wait(delay)
            try:
                os.kill(processes[victim], signal.SIGKILL)
            except ProcessLookupError:
                return  # it was done before

        log.run(interrupt=interrupt)
        log.check_all_or_none()
        after = log.run()
        assert after.complete, f"kill {number} of {victim} after {delay:.3f} s: the next run failed\n{after.log}"
        log.check()


def test_state_lost_after_the_commit_is_noticed_without_positions(log: Log) -> None:
    """Plain `meltano run` does not ask the tables: the target refuses what would double, and corrects the state."""
    log.positions_are_asked = False
    assert log.run().complete
    log.change()
    log.run(Fault("target", "before", STATE))
    refused = log.run()
    assert refused.target != 0
    assert "rows would be doubled or lost" in refused.log
    log.check()
    assert log.run().complete
    log.check()


def test_connection_lost_midway_is_no_shorter_table(log: Log) -> None:
    """A COPY that ends early must not look like its end."""
    log.shop.execute(
        "insert into shop.orders select i, 0, repeat('x', 500), clock_timestamp()"
        " from generate_series(100001, 300000) i"
    )
    ended = threading.Event()

    def terminate(*_processes: int) -> None:
        with log.shop.server.connect() as connection:
            while not ended.wait(0.02):
                found = connection.execute(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s"
                    " and query ilike 'copy%%orders%%' and state = 'active'",
                    [log.shop.database],
                ).fetchone()
                if found and found[0]:
                    return

    outcome = log.run(interrupt=terminate)
    assert outcome.tap != 0, outcome.log
    # A server process that waits for its client to read can't say more than that it is gone.
    assert "terminating connection" in outcome.log or "server closed the connection" in outcome.log
    assert log.shop.table("orders").current_snapshot() is None
    assert log.run().complete
    log.expected["orders"].update((number, 0) for number in range(100_001, 300_001))
    log.check()
