"""The commands that need the running platform: they ask it something, or have something run in it."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

from localstack.endpoints import ENDPOINTS, endpoint
from localstack.errors import UsageError, not_allowed
from localstack.home import Home
from localstack.kube import NAMESPACES, Kube, context
from localstack.reporting import LocalError

USERS = ("admin", "editor", "viewer")
DBT_FOLDER = "/opt/transformation"


def status(_chosen: argparse.Namespace, home: Home) -> int:
    """Show whether all is well: workloads, addresses, the pipeline, the sources. 1 where something is not."""
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


def logs(chosen: argparse.Namespace, home: Home) -> int:
    """Show the logs of a component."""
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


def open_pages(_chosen: argparse.Namespace, home: Home) -> int:
    """Show where the pages are; with a cluster elsewhere, forward their ports until Ctrl-C."""
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


def password(chosen: argparse.Namespace, home: Home) -> int:
    """Print a password of Superset."""
    if chosen.user not in USERS:
        raise not_allowed("u", chosen.user, USERS)
    print(Kube(home).require().secret("superset-credentials", f"{chosen.user}-password"))
    return 0


def trino(chosen: argparse.Namespace, home: Home) -> int:
    """Run a query, or a prompt for queries."""
    from localstack import sql_prompt
    from localstack.forward import reach

    with reach(Kube(home).require(), endpoint("trino")) as port:
        return sql_prompt.run(port, chosen.query, home.state / "trino-history")


def words(chosen: argparse.Namespace, example: str) -> list[str]:
    """Return the words of a=…, split as a shell does. Raises UsageError when there are none."""
    if chosen.arguments is None or not chosen.arguments.strip():
        raise UsageError(f'what is to be run? For example: make {chosen.command} a="{example}"')
    try:
        return shlex.split(chosen.arguments)
    except ValueError as error:
        raise UsageError(f"a={chosen.arguments!r} can't be split into words: {error}") from error


def dbt(chosen: argparse.Namespace, home: Home) -> int:
    """Run dbt in Dagster's code server, which builds schemas of the developer's own: production is Dagster's runs'."""
    arguments = words(chosen, "build")
    name = developer(os.environ)
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    script = (
        f"cd {DBT_FOLDER} && export HEADWATER_DEVELOPER={name} DBT_TARGET_PATH=${{TMPDIR:-/tmp}}/dbt/target "
        'DBT_LOG_PATH=${TMPDIR:-/tmp}/dbt/logs && exec dbt "$@"'
    )
    return (
        Kube(home)
        .require()
        .call("exec", *terminal, "-n", "headwater", "deploy/dagster-code", "--", "sh", "-c", script, "dbt", *arguments)
    )


def developer(environment: Mapping[str, str]) -> str:
    """Return whose schemas dbt builds: HEADWATER_DEVELOPER, a person or a branch, else who is logged in.

    Lower-case letters, digits and underscores; other characters become underscores.
    """
    name = environment.get("HEADWATER_DEVELOPER") or environment.get("SUDO_USER") or getpass.getuser()
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "nobody"


def meltano(chosen: argparse.Namespace, home: Home) -> int:
    """Run Meltano in a Job of ingestion."""
    from localstack import jobs

    arguments = words(chosen, "config list")
    return jobs.run(Kube(home).require(), "headwater", "ingestion", ["meltano"], arguments)


def quarantine(chosen: argparse.Namespace, home: Home) -> int:
    """Show rows that are set aside, or try those of a stream once more."""
    from localstack import jobs, source_findings
    from localstack.forward import reach

    kube = Kube(home).require()
    if chosen.replay is not None:
        return jobs.run(kube, "headwater", "ingestion", ["target-iceberg-tables"], ["replay", chosen.replay])
    with reach(kube, endpoint("trino")) as port:
        print("\n".join(source_findings.quarantine_lines(source_findings.query(port, source_findings.QUARANTINE))))
    return 0


def shop(chosen: argparse.Namespace, home: Home) -> int:
    """Have the example's shop sell."""
    from localstack import jobs

    rate = f"{chosen.rate:g}"
    words = ["live", "--rate", rate, *([] if chosen.orders is None else ["--orders", str(chosen.orders)])]
    return jobs.run(Kube(home).require(), "petco", "shop-live", ["python", "-m", "petco"], words)
