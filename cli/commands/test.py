"""`make test`: unit, pipeline, AWS and platform tests, each in the environment that it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from cli import image_venv
from cli.command import Call, Command, Option
from localstack import process
from localstack.console import Console, duration
from localstack.errors import LocalError, not_allowed
from localstack.exclusive import exclusive
from localstack.home import CHECKOUT, Home

PARTS = ("unit", "pipeline", "aws", "platform")
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "pipeline": {
        "postgresql": "bin:pg_ctlcluster",
        "pgbouncer": "bin:pgbouncer",
        "redis-server": "bin:redis-server",
        "iproute2": "bin:ip",
        "iptables": "bin:iptables",
    },
    "platform": {"chromium": "bin:chromium", "postgresql": "bin:pg_ctlcluster", "openjdk-17-jre-headless": "bin:java"},
    "services": {"openjdk-17-jre-headless": "bin:java"},
}
"""Debian packages that the tests of a part need, with what shows that each is there."""
SERVICES = "services"
"""Marks tests of ingestion that need the images of the catalog and MinIO: without them, `pipeline` skips these."""
SHARED: Mapping[str, tuple[str, ...]] = {"orchestration": ("ingestion/packages/headwater-contracts",)}
"""Packages below pipeline_code/ that an image's code imports from another image's folder."""
PROCESSES: Mapping[str, int] = {"ingestion": 2}
"""Images whose tests take long enough that several processes share them."""
NO_TESTS = 5
"""pytest's exit status when it found no test."""


@dataclass(frozen=True)
class Suite:
    """One call of pytest: its title, where its tests are, with which Python, and what is added to the environment."""

    title: str
    folders: tuple[Path, ...]
    python: Path
    environment: Mapping[str, str]
    marker: str | None = None
    """Only the tests that carry this marker."""
    processes: int = 1
    """How many processes share the tests. Each starts servers of its own."""


@dataclass(frozen=True)
class Outcome:
    """What a suite came to: pytest's exit status, (name, seconds) of each test, and why some of these were skipped."""

    title: str
    code: int
    tests: tuple[tuple[str, float], ...]
    skipped: tuple[str, ...] = ()
    """A reason for each."""

    def line(self) -> str:
        """Return the outcome as `make test` shows it at its end."""
        passed = "skipped" if self.tests and len(self.skipped) == len(self.tests) else "passed"
        state = {0: passed, NO_TESTS: "no tests"}.get(self.code, "FAILED")
        left_out = f", {len(self.skipped)} of them skipped" if self.skipped else ""
        return f"{state:<9} {self.title} ({len(self.tests)} tests{left_out})"

    def reasons(self) -> list[str]:
        """Return why tests were skipped, a line a reason."""
        return [f"{self.skipped.count(each)} skipped: {each}" for each in dict.fromkeys(self.skipped)]


def parts(only: str | None) -> tuple[str, ...]:
    """Return the parts that `only=` asks for. Raises UsageError for one that is not there."""
    if only is None:
        return PARTS
    if only not in PARTS:
        raise not_allowed("only", only, PARTS)
    return (only,)


def parse_report(xml: str) -> tuple[tuple[tuple[str, float], ...], tuple[str, ...]]:
    """Return (name, seconds) of every test in a JUnit report, and the reason for each that was skipped."""
    root = ElementTree.fromstring(xml)  # noqa: S314 - our own pytest wrote it
    cases = list(root.iter("testcase"))
    tests = ((f"{case.get('classname', '')}.{case.get('name', '')}", float(case.get("time", "0"))) for case in cases)
    skipped = (case.find("skipped") for case in cases)
    return tuple(tests), tuple(each.get("message", "for no reason") for each in skipped if each is not None)


def verdict(outcomes: Sequence[Outcome], expression: str | None) -> list[str]:
    """Return what is wrong with the outcomes, a line each; nothing when all is well.

    A suite without tests is wrong, except where an expression chose tests of other suites.
    """
    wrong = [f"{each.title}: failed" for each in outcomes if each.code not in {0, NO_TESTS}]
    empty = [each for each in outcomes if each.code == NO_TESTS or (each.code == 0 and not each.tests)]
    if expression is None:
        wrong += [f"{each.title}: no tests were found" for each in empty]
    elif len(empty) == len(outcomes):
        wrong.append(f"no test matches k={expression!r}")
    return wrong


def images_with_tests(checkout: Path, part: str) -> list[str]:
    """Return the images that have a folder with test files below tests/<part>."""
    found = (checkout / "tests" / part).glob("*/**/test_*.py")
    names = {path.relative_to(checkout / "tests" / part).parts[0] for path in found}
    return sorted(name for name in names if (checkout / "pipeline_code" / name).is_dir())


def run_parts(home: Home, console: Console, only: str | None, expression: str | None, checkout: Path = CHECKOUT) -> int:
    """Run the tests; return 0 when all passed. Raises StepFailed or LocalError when they could not be run."""
    chosen = parts(only)
    install_packages(home, console, chosen)
    outcomes: list[Outcome] = []
    for part in chosen:
        for suite in suites(home, console, part, checkout):
            if only is None and part == "aws":
                suite = replace(suite, environment={"HEADWATER_TERRAFORM": "separate"})  # noqa: PLW2901 - this one only
            outcomes.append(run_suite(home, console, suite, expression, checkout))
    console.say()
    console.say("Slowest tests and steps")
    tests = [test for outcome in outcomes for test in outcome.tests]
    for name, seconds in sorted([*tests, *console.timings], key=lambda each: -each[1])[:15]:
        console.say(f"  {duration(seconds):>12}  {name}")
    console.say()
    for outcome in outcomes:
        console.say(f"  {outcome.line()}")
        for reason in outcome.reasons():
            console.say(f"            {reason}")
    wrong = verdict(outcomes, expression)
    for line in wrong:
        console.say(f"Failed: {line}")
    console.say(f"Full log: {console.log}")
    return 1 if wrong else 0


def install_packages(home: Home, console: Console, chosen: Sequence[str]) -> None:
    """Install the Debian packages that the chosen parts need and the machine lacks."""
    from localstack.toolchain import packages

    wanted = {name: marker for part in chosen for name, marker in PACKAGES.get(part, {}).items()}
    absent = packages.missing(wanted)
    if absent:
        with console.step(f"Install {', '.join(absent)}", estimate_s=60) as step:
            packages.install(home, wanted, step)


def suites(home: Home, console: Console, part: str, checkout: Path) -> list[Suite]:
    """Return the suites of a part, with their environments made; `platform` brings the platform up.

    Tests of an image's code, tests/<part>/<image>, run in that image's own Python environment.
    """
    tests = checkout / "tests" / part
    if part == "platform":
        from cli.commands import up

        with exclusive(home.state / "lock", "test"):
            up.up(home, console)
        return [Suite("platform", (tests,), Path(sys.executable), {}), services_suite(home, console, checkout)]
    images = images_with_tests(checkout, part)
    found = [image_suite(home, console, part, image, checkout) for image in images]
    others = sorted({path.parent for path in tests.glob("**/test_*.py")} - {tests / image for image in images})
    own = tuple(path for path in others if path.relative_to(tests).parts[:1] not in {(image,) for image in images})
    if own:
        found.insert(0, Suite(part, own, Path(sys.executable), {}))
    if not found:
        raise LocalError(f"there are no tests in {tests}")
    return found


def image_suite(home: Home, console: Console, part: str, image: str, checkout: Path) -> Suite:
    """Return the suite of an image's tests, with its environment made."""
    python = image_venv.ensure(home, image, console, checkout)
    code = checkout / "pipeline_code" / image
    paths = [str(code), *(str(each) for each in sorted((code / "packages").glob("*")) if each.is_dir())]
    paths += [str(checkout / "pipeline_code" / each) for each in SHARED.get(image, ())]
    environment = {
        "PYTHONPATH": os.pathsep.join(paths),
        "PATH": os.pathsep.join([str(python.parent), home.environment()["PATH"]]),
        "VIRTUAL_ENV": str(python.parents[1]),
        "HEADWATER_PROJECT_PYTHON": sys.executable,
    }
    folders = (checkout / "tests" / part / image,)
    return Suite(f"{part}/{image}", folders, python, environment, processes=PROCESSES.get(image, 1))


def services_suite(home: Home, console: Console, checkout: Path) -> Suite:
    """Return the tests of ingestion that need built images, which must be there, wherever they are."""
    found = image_suite(home, console, "pipeline", "ingestion", checkout)
    environment = {**found.environment, "HEADWATER_SERVICES": "required"}
    return replace(found, title="platform/ingestion", environment=environment, marker=SERVICES)


def run_suite(home: Home, console: Console, suite: Suite, expression: str | None, checkout: Path) -> Outcome:
    """Run pytest over a suite, its output shown as it comes."""
    report = console.log.with_suffix(f".{suite.title.replace('/', '-')}.xml")
    report.unlink(missing_ok=True)
    # Short tracebacks: long ones print arguments, and a connection's arguments hold its password.
    argv = [str(suite.python), "-m", "pytest", *map(str, suite.folders), "-v", "--no-header", "--durations=0", "-p",
            "no:cacheprovider", "--durations-min=3600", "--tb=short", f"--junit-xml={report}"]  # fmt: skip
    argv += [] if expression is None else ["-k", expression]
    argv += [] if suite.marker is None else ["-m", suite.marker]
    argv += ["-n", str(suite.processes), "--dist", "worksteal"] if suite.processes > 1 else []
    console.say(f"=== {suite.title}")
    environment = home.environment() | {"PYTHONUNBUFFERED": "1"} | dict(suite.environment)
    code = 0
    try:
        process.run(argv, console.say, env=environment, cwd=checkout)
    except process.CommandFailed as failure:
        code = failure.code
    tests, skipped = parse_report(report.read_text()) if report.exists() else ((), ())
    return Outcome(suite.title, code, tests, skipped)


def run(call: Call) -> int:
    """Run the tests that were chosen."""
    return run_parts(call.home, call.console, call.options.only, call.options.expression)


COMMAND = Command(
    "the test suite; `only=` one part of it", "make test only=unit k=settings", run,
    [
        Option("only", "unit, pipeline, aws or platform"),
        Option("expression", "which tests, as pytest's -k", make="k"),
    ],
)  # fmt: skip
