"""`make soak`: long tests of ingestion and of the marts, for which `make test` has no time."""

from __future__ import annotations

import dataclasses
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from cli.command import Call, Command, Option, count
from cli.commands import test as testing
from localstack.console import Console, duration
from localstack.errors import not_allowed
from localstack.home import CHECKOUT, Home

INGESTION = Path("tests/pipeline/ingestion")
FILES: Mapping[str, tuple[Path, ...]] = {
    "crash": (INGESTION / "test_crashes.py", INGESTION / "soak" / "test_soak_crashes.py"),
    "drift": (INGESTION / "soak" / "test_soak_drift.py",),
    "differential": tuple(
        INGESTION / "differential" / f"test_{name}.py" for name in ("old_faults", "differential", "three_engines")
    ),
}
"""The parts of a soak: the files of each."""
MARTS = "marts"
MARTS_TEST = Path("tests/platform/test_marts_equal_rebuild.py")
"""A part of its own, only where it is asked for: it needs the running platform, about two minutes a run."""
MARTS_RUNS = 10
RUNS = 100
"""Random kills in each way of writing, sequences of changes of a source, and cases of tables by each way."""


def suite(found: testing.Suite, only: str | None, runs: int, seed: int, checkout: Path = CHECKOUT) -> testing.Suite:
    """Return the chosen long tests, in the environment of ingestion's suite. Raises UsageError for an unknown part."""
    if only is not None and only not in {*FILES, MARTS}:
        raise not_allowed("only", only, (*FILES, MARTS))
    files = [file for part, files in FILES.items() if only in {None, part} for file in files]
    files += [MARTS_TEST] if only == MARTS else []
    environment = {
        **found.environment,
        "HEADWATER_RANDOM_KILLS": str(runs),
        "HEADWATER_SOAK_RUNS": str(runs),
        "HEADWATER_SOAK_SEED": str(seed),
        "HEADWATER_SERVICES": "required",
    }
    folders = tuple(checkout / file for file in files)
    return dataclasses.replace(found, title="soak", folders=folders, environment=environment)


def run_long(home: Home, console: Console, only: str | None, runs: int | None, seed: int | None) -> int:
    """Run the tests, each shown as it ends; return 0 when nothing was lost or doubled."""
    wanted = RUNS if runs is None else runs
    chosen = 1 + secrets.randbelow(1_000_000) if seed is None else seed
    if only == MARTS:
        wanted = MARTS_RUNS if runs is None else runs
        found = testing.Suite("platform", (), Path(sys.executable), {})
    else:
        testing.install_packages(home, console, ("pipeline", "services"))
        found = testing.image_suite(home, console, "pipeline", "ingestion", CHECKOUT)
    long = suite(found, only, wanted, chosen)
    again = f"make soak{'' if only is None else f' only={only}'} seed={chosen} runs={wanted}"
    console.say(f"Seed {chosen}, {wanted} random runs; the same again: {again}")
    outcome = testing.run_suite(home, console, long, None, CHECKOUT)
    console.say()
    spent = duration(sum(seconds for _, seconds in outcome.tests))
    console.say(f"{len(outcome.tests)} tests in {spent}, seed {chosen}, {wanted} random runs")
    wrong = testing.verdict([outcome], None)
    for line in wrong:
        console.say(f"Failed: {line}")
    console.say(f"Full log: {console.log}")
    return 1 if wrong else 0


def run(call: Call) -> int:
    """Run the long tests that were chosen."""
    return run_long(call.home, call.console, call.options.only, call.options.runs, call.options.seed)


COMMAND = Command(
    "crashes, drift and random tables of ingestion, or marts", "make soak only=crash runs=100", run,
    [
        Option("only", "crash, drift, differential or marts; without it, all except marts"),
        Option("runs", "how many random kills, changes and tables, for each way", kind=count),
        Option("seed", "the seed of an earlier soak, to repeat it", kind=count),
    ],
)  # fmt: skip
