"""`make soak`: the crash tests at length, many more random kills than `make test` has time for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from localstack import testing
from localstack.console import Console, duration
from localstack.home import Home
from localstack.stack import CHECKOUT

KILLS = 100
"""Random kills in each way of writing, append and merge."""
FILE = Path("tests/pipeline/ingestion/test_exactly_once.py")


def suite(found: testing.Suite, kills: int, checkout: Path = CHECKOUT) -> testing.Suite:
    """Return the crash tests of ingestion's suite, with so many random kills in each way of writing."""
    environment = {**found.environment, "HEADWATER_RANDOM_KILLS": str(kills)}
    return dataclasses.replace(found, title="soak", folders=(checkout / FILE,), environment=environment)


def run(home: Home, console: Console, kills: int | None, checkout: Path = CHECKOUT) -> int:
    """Run the tests, a line for each ten kills; return 0 when nothing was lost or doubled."""
    testing.install_packages(home, console, ("pipeline",))
    wanted = KILLS if kills is None else kills
    found = testing.image_suite(home, console, "pipeline", "ingestion", checkout)
    outcome = testing.run_suite(home, console, suite(found, wanted, checkout), None, checkout)
    console.say()
    spent = duration(sum(seconds for _, seconds in outcome.tests))
    console.say(f"{len(outcome.tests)} tests in {spent}, {wanted} random kills in each way of writing")
    wrong = testing.verdict([outcome], None)
    for line in wrong:
        console.say(f"Failed: {line}")
    console.say(f"Full log: {console.log}")
    return 1 if wrong else 0
