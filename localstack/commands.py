"""What each command does."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from localstack.console import Console
from localstack.endpoints import ENDPOINTS, endpoint
from localstack.errors import UsageError, not_allowed
from localstack.exclusive import exclusive
from localstack.home import Home
from localstack.kube import NAMESPACES, Kube, context
from localstack.reporting import LocalError, StepFailed

WITH_STEPS = frozenset(["up", "down", "run", "test", "soak", "lint", "lock", "bench", "preview", "emulator", "source"])
USERS = ("admin", "editor", "viewer")
DBT_FOLDER = "/opt/transformation"


def run(chosen: argparse.Namespace) -> int:
    """Run the command that was chosen; return its exit status."""
    home = Home.default()
    if chosen.command in WITH_STEPS:
        return _with_console(chosen, home)
    commands: dict[str, Callable[[argparse.Namespace, Home], int]] = {
        "destroy": _destroy,
        "status": _status,
        "logs": _logs,
        "open": _open,
        "password": _password,
        "trino": _trino,
        "dbt": _dbt,
        "meltano": _meltano,
        "quarantine": _quarantine,
        "shop": _shop,
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
    if only == "ingestion":
        from localstack import image_venv

        python = image_venv.ensure(home, "ingestion", Console("bench", home.logs))
        argv = [sys.executable, "-m", "tests.benchmarks.ingestion", "--python", str(python), "--cache"]
        argv += [str(home.cache / "bench"), "--write"]
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


def _status(_chosen: argparse.Namespace, home: Home) -> int:
    from localstack import aws, platform_status, source_findings
    from localstack.forward import reach
    from localstack.pipeline import Dagster

    kube = Kube(home)
    emulator = aws.status_line(home)
    if emulator is not None:
        print(emulator)
    if not kube.reachable():
        print("The platform is stopped; `make up` starts it.")
        return 1
    now = time.time()
    rows = platform_status.gather(kube, now)
    if not rows:
        print("The cluster runs, but nothing is deployed; `make up` deploys.")
        return 1
    print("\n".join(platform_status.render_workloads(rows)))
    print("\nAddresses" + ("" if context() is None else " (while `make open` runs)"))
    print("\n".join(platform_status.endpoint_lines()) + "\n")
    try:
        with reach(kube, endpoint("dagster")) as port:
            print("\n".join(platform_status.pipeline_lines(Dagster(f"http://127.0.0.1:{port}"), now)))
    except LocalError as error:
        print(f"Pipeline: unknown: {error}")
    try:
        with reach(kube, endpoint("trino")) as port:
            print("\n".join(source_findings.finding_lines(source_findings.query(port, source_findings.FINDINGS))))
    except LocalError as error:
        print(f"Sources:  unknown: {error}")
    return 0 if all(row.healthy for row in rows) else 1


def _logs(chosen: argparse.Namespace, home: Home) -> int:
    from localstack.platform_status import components

    kube = Kube(home).require()
    known = components([pod for namespace in NAMESPACES for pod in kube.get("pods", namespace)])
    if chosen.component is None:
        raise UsageError(f"whose logs? c=… is one of: {', '.join(sorted(known))}")
    if chosen.component not in known:
        raise not_allowed("c", chosen.component, known)
    namespace, selector = known[chosen.component]
    follow = ["--follow"] if chosen.follow else []
    return kube.call(
        "logs", "-n", namespace, "-l", selector, "--all-containers", "--prefix", "--max-log-requests=30",
        f"--tail={chosen.lines}", *follow,
    )  # fmt: skip


def _open(_chosen: argparse.Namespace, home: Home) -> int:
    from localstack.forward import port_forward
    from localstack.platform_status import endpoint_lines

    opener = shutil.which("xdg-open") if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") else None
    with ExitStack() as forwards:
        if context() is not None:
            for each in ENDPOINTS:
                forwards.enter_context(port_forward(Kube(home), each, each.node_port))
        print("\n".join(endpoint_lines()))
        print("Log in to Superset as admin, editor or viewer; `make password` shows the password.")
        if opener is not None:
            subprocess.run([opener, endpoint("superset").url], check=False)
        if context() is not None:
            print("Forwarding; Ctrl-C ends it.", flush=True)
            while True:
                time.sleep(3600)
    return 0


def _password(chosen: argparse.Namespace, home: Home) -> int:
    if chosen.user not in USERS:
        raise not_allowed("u", chosen.user, USERS)
    print(Kube(home).require().secret("superset-credentials", f"{chosen.user}-password"))
    return 0


def _trino(chosen: argparse.Namespace, home: Home) -> int:
    from localstack import sql_prompt
    from localstack.forward import reach

    with reach(Kube(home).require(), endpoint("trino")) as port:
        return sql_prompt.run(port, chosen.query, home.state / "trino-history")


def _words(chosen: argparse.Namespace, example: str) -> list[str]:
    """Return the words of a=…, split as a shell does. Raises UsageError when there are none."""
    if chosen.arguments is None or not chosen.arguments.strip():
        raise UsageError(f'what is to be run? For example: make {chosen.command} a="{example}"')
    try:
        return shlex.split(chosen.arguments)
    except ValueError as error:
        raise UsageError(f"a={chosen.arguments!r} can't be split into words: {error}") from error


def _dbt(chosen: argparse.Namespace, home: Home) -> int:
    words = _words(chosen, "build --select marts")
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    script = (
        f"cd {DBT_FOLDER} && export DBT_TARGET_PATH=${{TMPDIR:-/tmp}}/dbt/target "
        'DBT_LOG_PATH=${TMPDIR:-/tmp}/dbt/logs && exec dbt "$@"'
    )
    return (
        Kube(home)
        .require()
        .call("exec", *terminal, "-n", "headwater", "deploy/dagster-code", "--", "sh", "-c", script, "dbt", *words)
    )


def _meltano(chosen: argparse.Namespace, home: Home) -> int:
    from localstack import jobs

    words = _words(chosen, "config list")
    return jobs.run(Kube(home).require(), "headwater", "ingestion", ["meltano"], words)


def _quarantine(chosen: argparse.Namespace, home: Home) -> int:
    from localstack import jobs, source_findings
    from localstack.forward import reach

    kube = Kube(home).require()
    if chosen.replay is not None:
        return jobs.run(kube, "headwater", "ingestion", ["target-iceberg-tables"], ["replay", chosen.replay])
    with reach(kube, endpoint("trino")) as port:
        print("\n".join(source_findings.quarantine_lines(source_findings.query(port, source_findings.QUARANTINE))))
    return 0


def _shop(chosen: argparse.Namespace, home: Home) -> int:
    from localstack import jobs

    rate = f"{chosen.rate:g}"
    words = ["live", "--rate", rate, *([] if chosen.orders is None else ["--orders", str(chosen.orders)])]
    return jobs.run(Kube(home).require(), "petco", "shop-live", ["python", "-m", "petco"], words)


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
