"""Sources that change their tables, at length: each case in each way of writing, in several orders, and at random."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest
from conftest import Shop
from crash_processes import Fault
from drift_cases import CASES, MODES, Case
from drift_log import Drifting
from soaking_settings import ROUNDS, SEED, runs_of

PAIRS = [(mode, case) for mode in MODES for case in CASES if mode in case.modes]
IDS = [f"{mode}-{case.name}" for mode, case in PAIRS]
READING = Fault("tap", "after", "tap_postgres_arrow.main:Run._announce")
"""The schema is announced, the rows are not read yet."""
each_case = pytest.mark.parametrize(("mode", "case"), PAIRS, ids=IDS)


@pytest.fixture
def drifting(new_shop: Callable[..., Shop]) -> Iterator[Callable[..., Drifting]]:
    """Makes tables with the columns of cases."""
    made: list[Drifting] = []

    def make(mode: str, *cases: Case) -> Drifting:
        made.append(Drifting(new_shop(), mode, cases))
        made[-1].create()
        return made[-1]

    yield make
    for each in made:
        with each.followed():
            pass


@each_case
def test_before_the_first_load(drifting: Callable[..., Drifting], mode: str, case: Case) -> None:
    """A contract that was written for another table than the first load finds."""
    log = drifting(mode, case)
    log.drift(case)
    log.load()
    log.check_findings()
    log.check_quiet()


@each_case
def test_between_loads(drifting: Callable[..., Drifting], mode: str, case: Case) -> None:
    """The usual case."""
    log = drifting(mode, case)
    log.load()
    log.drift(case)
    log.load()
    log.check_findings()
    log.check_quiet()


@each_case
def test_while_loading(drifting: Callable[..., Drifting], mode: str, case: Case) -> None:
    """Between what the tap announces and what it reads; the run may fail, the next one has it all."""
    log = drifting(mode, case)
    log.load()
    log.write({})
    waiting: list[str] = []

    def drift() -> None:
        try:
            log.change(*case.drift, wait="300ms")
        except psycopg.errors.LockNotAvailable:
            waiting.extend(case.drift)  # as a migration would wait for the run's end

    log.run(READING, meanwhile=drift)
    log.change(*waiting)
    log.drifted.add(case.name)
    log.load(written=False)
    log.write(dict(case.new))
    log.load()
    log.check_findings()
    log.check_quiet()


@each_case
def test_there_and_back(drifting: Callable[..., Drifting], mode: str, case: Case) -> None:
    """What was opened is closed, and the older column goes on."""
    log = drifting(mode, case)
    log.load()
    log.drift(case)
    log.load()
    log.undo(case)
    log.load()
    log.check_findings()
    log.check_quiet()
    log.drift(case)
    log.load()
    log.check_findings()


@each_case
def test_two_at_once(drifting: Callable[..., Drifting], mode: str, case: Case) -> None:
    """Each case together with another one, chosen by the seed."""
    others = [each for each in CASES if mode in each.modes and each != case]
    other = random.Random(f"{SEED} {mode} {case.name}").choice(others)
    log = drifting(mode, case, other)
    log.load()
    log.drift(case)
    log.drift(other)
    try:
        log.load()
        log.check_findings()
        log.check_quiet()
    except AssertionError as error:
        raise AssertionError(f"seed {SEED}, with {other.name}: {error}") from error


def step(log: Drifting, chance: random.Random) -> str:
    """Change something of the source and load it, perhaps with a crash; return what was done."""
    case = chance.choice(log.cases)
    if case.name in log.drifted:
        log.undo(case)
        done = f"undo {case.name}"
    else:
        log.drift(case)
        done = f"drift {case.name}"
    if chance.random() < 0.3:
        delay, victim = chance.uniform(0, 1), chance.choice([0, 1])

        def kill(*processes: int) -> None:
            threading.Event().wait(delay)
            with suppress(ProcessLookupError):
                os.kill(processes[victim], signal.SIGKILL)

        log.run(interrupt=kill)
        done += f", kill {('tap', 'target')[victim]} after {delay:.3f} s"
    return done


@pytest.mark.parametrize("round_", ROUNDS)
def test_random_changes(drifting: Callable[..., Drifting], round_: int) -> None:
    """Five changes, there or back, of up to four columns, with a crash now and then."""
    for number in runs_of(round_):
        chance = random.Random(f"{SEED} {number}")
        mode = chance.choice(MODES)
        cases = chance.sample([case for case in CASES if mode in case.modes], chance.randint(1, 4))
        log = drifting(mode, *cases)
        done: list[str] = []
        try:
            log.load()
            for _ in range(5):
                done.append(step(log, chance))
                log.load()
            log.check_findings()
            log.check_quiet()
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, run {number}, {mode}: {'; '.join(done)}: {error}") from error
