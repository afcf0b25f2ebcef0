"""What each command does."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

from localstack import platform_commands
from localstack.console import Console
from localstack.endpoints import endpoint
from localstack.errors import UsageError
from localstack.exclusive import exclusive
from localstack.home import Home
from localstack.kube import Kube
from localstack.reporting import LocalError, StepFailed

WITH_STEPS = frozenset(["up", "down", "run", "test", "soak", "lint", "lock", "bench", "preview", "emulator", "source"])


def run(chosen: argparse.Namespace) -> int:
    """Run the command that was chosen; return its exit status."""
    home = Home.default()
    if chosen.command in WITH_STEPS:
        return _with_console(chosen, home)
    commands: dict[str, Callable[[argparse.Namespace, Home], int]] = {
        "destroy": _destroy,
        "status": platform_commands.status,
        "logs": platform_commands.logs,
        "open": platform_commands.open_pages,
        "password": platform_commands.password,
        "trino": platform_commands.trino,
        "dbt": platform_commands.dbt,
        "meltano": platform_commands.meltano,
        "quarantine": platform_commands.quarantine,
        "shop": platform_commands.shop,
        "cost": _cost,
        "stack": _stack,
        "ci-role": _ci_role,
        "env": _env,
        "help": _help,
    }
    return commands[chosen.command](chosen, home)


def _with_console(chosen: argparse.Namespace, home: Home) -> int:
    """Run a command that has steps: errors and interrupts are shown with the log and the way to go on."""
    from localstack import aws, lifecycle, linting, locking, previewing, testing
    from localstack.sources import command as sources

    home.create()
    console = Console(chosen.command, home.logs)
    try:
        match chosen.command:
            case "up" | "down" | "emulator":
                with exclusive(home.state / "lock", chosen.command):
                    if chosen.command == "emulator":
                        aws.run(home, console, stop=chosen.stop)
                    else:
                        (lifecycle.up if chosen.command == "up" else lifecycle.down)(home, console)
                return 0
            case "run" | "source":
                return _run_pipeline(home, console) if chosen.command == "run" else sources.run(home, console, chosen)
            case "test":
                return testing.run(home, console, chosen.only, chosen.expression)
            case "lint" | "lock":
                return linting.run(home, console) if chosen.command == "lint" else locking.run(console)
            case "preview":
                return previewing.run(home, console, chosen.stack, diff=chosen.diff)
            case _:
                return _long_ones(chosen, home, console)
    except StepFailed as error:
        console.report(error)
        raise
    except LocalError as error:
        console.report(StepFailed(f"make {chosen.command}", str(error), console.log, console.resume))
        raise StepFailed(chosen.command, str(error), console.log, console.resume) from error
    except KeyboardInterrupt:
        console.interrupted()
        raise


def _long_ones(chosen: argparse.Namespace, home: Home, console: Console) -> int:
    from localstack import soaking

    if chosen.command == "soak":
        return soaking.run(home, console, chosen.only, chosen.runs, chosen.seed)
    return _bench(home, chosen.only, restart=chosen.restart)


def _run_pipeline(home: Home, console: Console) -> int:
    from localstack import lifecycle
    from localstack.forward import reach
    from localstack.pipeline import Dagster

    with reach(Kube(home).require(), endpoint("dagster")) as port:
        lifecycle.follow_run(Dagster(f"http://127.0.0.1:{port}"), console, "Pipeline run")
    for name, seconds in console.slowest():
        console.say(f"  {seconds:7.1f} s  {name}")
    return 0


def _bench(home: Home, only: str, *, restart: bool) -> int:
    from localstack.stack import CHECKOUT

    argv = [sys.executable, "-m", "tests.benchmarks.measure", *(["--restart"] if restart else [])]
    if only != "platform":
        from localstack import image_venv

        python = image_venv.ensure(home, "ingestion", Console("bench", home.logs))
        module = "changes" if only == "large" else only
        argv = [sys.executable, "-m", f"tests.benchmarks.{module}", "--python", str(python), "--cache"]
        argv += [str(home.cache / "bench"), "--write", *(["--large"] if only == "large" else [])]
    return subprocess.run(argv, env=home.environment(), cwd=CHECKOUT, check=False).returncode


def _destroy(chosen: argparse.Namespace, home: Home) -> int:
    from localstack import lifecycle

    if not home.root.exists():
        print(f"There is nothing to remove: no {home.root}.")
        return 0
    if not chosen.yes:
        print(f"This removes {home.root} with all data of the platform, its processes and network devices.")
        if not sys.stdin.isatty():
            raise UsageError("nobody is here to ask; say `make destroy yes=1`")
        if input("Type yes to go on: ").strip().lower() != "yes":
            print("Nothing was changed.")
            return 1
    console = Console("destroy", home.logs)
    try:
        with exclusive(home.state / "lock", "destroy"):
            lifecycle.destroy(home, console)
    except StepFailed as error:
        console.report(error)
        raise
    return 0


def _given(value: str | None, question: str, example: str) -> str:
    """Return what the user typed. Raises UsageError with the question where it is missing."""
    if value is None:
        raise UsageError(f"{question} For example: make {example}")
    return value


def _cost(chosen: argparse.Namespace, _home: Home) -> int:
    from review.cost import report

    print(report.of_stack(_given(chosen.stack, "of which stack?", "cost s=prod")))
    return 0


def _stack(chosen: argparse.Namespace, _home: Home) -> int:
    from review import new_stack

    name = _given(chosen.name, "what is it called?", "stack name=qa from=staging")
    model = _given(chosen.model, "made from which stack?", f"stack name={name} from=staging")
    print(new_stack.next_steps(new_stack.make(name, model)))
    return 0


def _ci_role(chosen: argparse.Namespace, home: Home) -> int:
    from localstack import stack

    name = _given(chosen.stack, "of which stack?", "ci-role s=staging")
    targets = [f"--target={each}" for each in stack.ci_role_targets(name)]
    return stack.call(home, "up", *targets, name=name)


def _env(_chosen: argparse.Namespace, home: Home) -> int:
    from localstack.environment import export_lines

    print("\n".join(export_lines(home, os.environ)))
    return 0


def _help(_chosen: argparse.Namespace, _home: Home) -> int:
    from localstack.cli import overview

    print(overview())
    return 0
