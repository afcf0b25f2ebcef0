"""`make lint`: runs every static check, even if one fails, and shows what each found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli import image_venv
from cli.command import Call, Command
from localstack.console import Console
from localstack.errors import LocalError, StepFailed
from localstack.home import CHECKOUT, Home
from localstack.process import output

MODELS = "pipeline_code/transformation"
TYPED_TESTS = ("tests/unit", "tests/platform", "tests/aws", "tests/pipeline/aws", "tests/pipeline/database")
"""Tests that run in the program's environment; those of an image's code need its own."""


@dataclass(frozen=True)
class Check:
    """One tool: its title and its command line, run in the checkout."""

    title: str
    argv: tuple[str, ...]
    folder: str = "."
    """Where the tool runs, relative to the checkout."""
    image: str | None = None
    """The image in whose Python environment the tool looks up what the code imports."""


def files(checkout: Path) -> list[str]:
    """Return the project's files: those that git tracks or would track."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = output(argv, failure=f"{checkout} is no git checkout", cwd=checkout)
    return sorted(name for name in set(listed.splitlines()) if (checkout / name).is_file())


def is_shell(path: Path) -> bool:
    """Return whether a file is a script of sh or bash, by its name or its first line."""
    if path.suffix in {".sh", ".bash"}:
        return True
    with path.open("rb") as file:
        first = file.readline(64)
    return first.startswith(b"#!") and first.split()[-1].rsplit(b"/", 1)[-1] in {b"sh", b"bash"}


def mypy_packages(names: Sequence[str]) -> list[str]:
    """Return the folders below pipeline_code/<image>/ with a mypy.ini of their own."""
    found = [Path(name) for name in names if name.startswith("pipeline_code/") and Path(name).name == "mypy.ini"]
    return sorted(str(each.parent) for each in found)


def checks(checkout: Path, names: Sequence[str]) -> list[Check]:
    """Return the checks for the files that are there."""
    found = [
        Check("ruff check", ("ruff", "check", ".")),
        Check("ruff format", ("ruff", "format", "--check", ".")),
        Check("import rules", ("lint-imports", "--no-logo", "--no-cache")),
        Check("generated files", ("python", "-m", "cli.reference")),
    ]
    sources = [
        each
        for each in ("cli", "localstack", "components", "review", "__main__.py", *TYPED_TESTS)
        if (checkout / each).exists()
    ]
    if sources:
        found.append(Check("mypy", ("mypy", "--strict", "--explicit-package-bases", *sources)))
    found += [
        Check(f"mypy {folder}", ("mypy", "--config-file", "mypy.ini", "."), folder, Path(folder).parts[1])
        for folder in mypy_packages(names)
    ]
    if any(name.startswith(MODELS) and name.endswith(".sql") for name in names):
        found.append(Check("sqlfluff", ("sqlfluff", "lint", "--disable-progress-bar", "--processes", "0", MODELS)))
    shells = [name for name in names if is_shell(checkout / name)]
    if shells:
        found.append(Check("shellcheck", ("shellcheck", *shells)))
    dockerfiles = [name for name in names if Path(name).name == "Dockerfile"]
    if dockerfiles:
        found.append(Check("hadolint", ("hadolint", *dockerfiles)))
    return found


def run_checks(home: Home, console: Console, checkout: Path = CHECKOUT) -> int:
    """Run every check; return 1 when one found something."""
    failed: list[str] = []
    tools = Path(sys.prefix) / "bin"
    for check in checks(checkout, files(checkout)):
        argv: list[str | Path] = [tools / check.argv[0], *check.argv[1:]]
        output: list[str] = []
        try:
            if check.image is not None:
                argv += ["--python-executable", image_venv.ensure(home, check.image, console, checkout)]
            with console.step(check.title) as step:
                step.run(argv, cwd=checkout / check.folder, on_line=partial(_keep, output))
        except (StepFailed, LocalError) as error:
            failed.append(check.title)
            output = output if output else [str(error)]
            for line in output:
                console.say(f"    {line}")
    if failed:
        console.say()
        console.say(f"Failed: {', '.join(failed)} (full log: {console.log})")
    return 1 if failed else 0


def _keep(output: list[str], line: str) -> str:
    """Remember an output line, and show it as progress."""
    output.append(line)
    return line


def run(call: Call) -> int:
    """Run every check."""
    return run_checks(call.home, call.console)


COMMAND = Command("all static checks", "make lint", run)
