"""The crash tests at length, on the platform's own catalog and object store; see test_crashes_of_services.py."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from crash_log import Log
from crash_points import CATALOG, FAULTS, MERGE, PASSAGE, PUBLICATION, SESSION
from crash_processes import Fault
from crash_services import COMMIT, DATA, METADATA, REST, survive
from relay import Cut
from services import Services
from soaking_settings import ROUNDS, SEED, runs_of

BOTH_WAYS = pytest.mark.parametrize("served", ["append", "merge"], indirect=True)
AT = ("arrival", "midway", "work", "answer")
VICTIMS = ("tap", "target", "tap and target", "catalog", "store")
LONGEST_DELAY_SECONDS = 2.5
"""A run takes one to two."""


def here(fault: Fault) -> Fault:
    """Return the same step with this catalog's functions."""
    if fault.function == SESSION:
        return dataclasses.replace(fault, function=f"{REST}.commit_table")
    return dataclasses.replace(fault, function=fault.function.replace(CATALOG, REST))


@pytest.mark.parametrize(
    ("served", "layout", "points"),
    [
        ("append", "arrow", FAULTS),
        ("append", "pipe", PASSAGE),
        ("append", "arrow", PUBLICATION),
        ("merge", "arrow", [*MERGE, *PUBLICATION]),
    ],
    indirect=["served"],
    ids=["arrow", "passage", "publication", "merge"],
)
def test_kill_at_every_step(served: Log, layout: str, points: list[Fault]) -> None:
    """The steps of test_crashes.py where a commit is a request and a file is an object."""
    served.layout = layout
    served.survive([here(fault) for fault in points])


@BOTH_WAYS
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("back", [None, 0.0, 2.0], ids=lambda back: f"back after {back}")
def test_catalog_dies_at_every_commit(served: Log, private_services: Services, number: int, back: float | None) -> None:
    """Before, while and after the server works on it; it stays away, or is back at once or after two seconds."""
    for at in AT:
        cut = Cut(at, COMMIT, lambda: private_services.kill(private_services.lake.catalog, back), number)
        survive(served, private_services, cut, "catalog")


@BOTH_WAYS
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_answer_of_every_commit_is_lost(served: Log, private_services: Services, number: int) -> None:
    """Only the connection breaks."""
    for at in AT:
        survive(served, private_services, Cut(at, COMMIT, lambda: None, number), "catalog")


@BOTH_WAYS
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("request_", "back"), [(DATA, None), (DATA, 1.0), (METADATA, 1.0)])
def test_store_dies_at_uploads(
    served: Log, private_services: Services, request_: str, back: float | None, number: int
) -> None:
    """While the store is away the catalog answers nothing about a table, for minutes: then it comes back."""
    for at in AT:
        cut = Cut(at, request_, lambda: private_services.kill(private_services.lake.store, back), number)
        survive(served, private_services, cut, "store")


def victim_of(services: Services, name: str, chance: random.Random) -> Callable[[int, int], None]:
    """Return what kills a process of a run, or both, or a server, which comes back."""
    back = chance.uniform(0, 3)

    def kill(tap: int, target: int) -> None:
        if name in {"catalog", "store"}:
            services.kill(services.lake.catalog if name == "catalog" else services.lake.store, back)
            return
        for process in {"tap": [tap], "target": [target]}.get(name, [tap, target]):
            with suppress(ProcessLookupError):  # it was done before
                os.kill(process, signal.SIGKILL)

    return kill


@BOTH_WAYS
@pytest.mark.parametrize("round_", ROUNDS)
def test_kill_at_random_times(served: Log, private_services: Services, round_: int) -> None:
    """The steps that nobody thought of, of all processes."""
    for number in runs_of(round_):
        chance = random.Random(f"{SEED} {number} {served.write}")
        served.layout = chance.choice(["arrow", "pipe"])
        victim, delay = chance.choice(VICTIMS), chance.uniform(0, LONGEST_DELAY_SECONDS)
        kill = victim_of(private_services, victim, chance)
        served.change()

        def interrupt(tap: int, target: int, delay: float = delay, kill: Callable[[int, int], None] = kill) -> None:
            threading.Event().wait(delay)
            kill(tap, target)

        what = f"seed {SEED}, run {number}: {victim} after {delay:.3f} s, rows as {served.layout}"
        before = served.run(interrupt=interrupt)
        try:
            private_services.ensure()
            served.check_all_or_none()
            after = served.run()
            assert after.complete, f"the next run failed\n{after.log}"
            served.check()
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\nThe run before:\n{before.log}") from error
