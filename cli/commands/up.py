"""`make up`: starts the whole platform on this machine, and runs the pipeline once."""

from __future__ import annotations

import json
import time

from cli.command import Call, Command
from cli.commands.run import PIPELINE_S, follow_run
from cli.platform.dagster import Dagster
from cli.platform.endpoints import Platform
from cli.platform.forward import reach
from cli.platform.kube import Kube
from cli.platform.status import gather
from cli.preflight import machine, plan
from cli.program import stack
from localstack import build_store, cluster, registry, toolchain
from localstack.console import Console, Step
from localstack.errors import LocalError
from localstack.exclusive import exclusive
from localstack.home import Home, external_context
from localstack.registry.bases import served_key
from localstack.toolchain.versions import versions

BASE_MB, BASE_S = 105, 60
IMAGES_MB, IMAGES_S = 1100, 600
DEPLOY_S, NO_CHANGE_S, CLUSTER_S = 180, 15, 30
READY_S = 600


def work_to_do(home: Home, items: list[toolchain.Item], *, cluster_runs: bool, registry_runs: bool) -> list[plan.Work]:
    """Return what `make up` will do on this machine, from what is there."""
    todo = [item for item in items if item.action not in {"present", "link"}]
    work = []
    for action, title in (("install", "Install packages"), ("build", "Compile tools from pinned sources")):
        chosen = [item for item in todo if item.action == action]
        if chosen:
            names = tuple(item.name for item in chosen)
            megabytes, seconds = sum(item.download_mb for item in chosen), sum(item.estimate_s for item in chosen)
            work.append(plan.Work(title, names, megabytes, seconds))
    deployed = (home.state / ".pulumi" / "stacks").exists()
    bases = bases_to_make(home, registry_runs=registry_runs)
    if bases:
        work.append(plan.Work("Make base images", bases, BASE_MB * len(bases), BASE_S * len(bases)))
    if external_context() is None and not cluster_runs:
        work.append(plan.Work("Start Kubernetes", (), 0, CLUSTER_S))
    if not deployed:
        work.append(plan.Work("Build the images", (), IMAGES_MB, IMAGES_S))
        work.append(plan.Work("Deploy the platform (`pulumi up`)", (), 0, DEPLOY_S))
        work.append(plan.Work("Run the pipeline once", (), 0, PIPELINE_S))
    return work


def bases_to_make(home: Home, *, registry_runs: bool) -> tuple[str, ...]:
    """Return the base images that `make up` will make; none where a public registry is known to answer."""
    record = home.registry / "base-images"
    if record.exists() and record.read_text().strip() == "public":
        return ()
    pins = versions()
    if not registry_runs:
        return () if record.exists() else tuple(base.public for base in pins.bases)
    return tuple(base.public for base in pins.bases if served_key(base) != base.key(pins.go.version))


def check(kube: Kube, console: Console) -> bool:
    """Check the machine and show the screen; return whether everything runs already.

    Raises LocalError when something keeps the platform from starting.
    """
    home, platform = kube.home, kube.platform
    items = toolchain.plan(home)
    cluster_runs = cluster.running(home) if platform.context is None else kube.problem() is None
    registry_runs = registry.running(home)
    work = work_to_do(home, items, cluster_runs=cluster_runs, registry_runs=registry_runs)
    first = not (home.state / ".pulumi").exists()
    findings = machine.check(home, platform, registry=registry_runs, cluster=cluster_runs, first=first)
    sources = {"apt"} if any(item.action == "install" and item.name != "go" for item in items) else set()
    sources |= {"go"} if any(item.action == "build" for item in items) else set()
    sources |= {"apt", "python"} if first else set()
    findings += machine.check_sources(home, sorted(sources))
    console.say(plan.render(findings, work, str(home.root)))
    console.say()
    stops = plan.problems(findings)
    if stops:
        raise LocalError("this machine is not ready:\n    " + "\n    ".join(stops))
    return not work and registry_runs


def up(home: Home, console: Console) -> None:
    """Bring everything up; whatever is there stays as it is. Raises StepFailed or LocalError."""
    kube = Kube.of(home, stack.STACK)
    all_there = check(kube, console)
    toolchain.ensure(home, console)
    registry.up(home, console)
    registry.ensure_bases(home, console)
    stack.base_images_file(home).write_text(json.dumps(registry.base_arguments(home), indent=2) + "\n")
    if kube.platform.context is None:
        cluster.up(home, console)
    with console.step("Stack dev") as step:
        stack.ensure_stack(home, step)
    estimate = NO_CHANGE_S if all_there else IMAGES_S + DEPLOY_S
    with console.step("pulumi up", estimate_s=estimate) as step:
        progress = stack.apply(home, step)
    with console.step("Workloads ready", estimate_s=10 if all_there else 120) as step:
        wait_ready(kube, step)
    with console.step("Layers of older builds") as step:
        pruned = build_store.prune(home, step)
    if pruned is not None:
        console.say(f"  {pruned}")
    ran = first_run(kube, console)
    console.say()
    if all_there and progress.done == 0 and not ran:
        console.say(f"Everything was up already; nothing changed ({time.monotonic() - console.started:.0f} s).")
    else:
        console.say(f"Headwater is up ({time.monotonic() - console.started:.0f} s).")
    console.say(farewell(kube.platform))


def farewell(platform: Platform) -> str:
    """Return where things are and what to do next."""
    lines = [
        *platform.lines(),
        "",
        f"Dashboard: {platform.endpoint('superset').url()}superset/dashboard/petco-executive/",
        "  log in as admin, editor or viewer; `make password u=viewer` shows the password (u=admin is the default)",
        'Next:      make status | make trino | make shop rate=50 | make run | make dbt a="build" | make help',
        "Undo:      make down stops it and keeps the data; make destroy removes everything from this machine",
    ]
    if platform.forwarded:
        lines.insert(0, "`make open` forwards these while it runs:")
    return "\n".join(lines)


def wait_ready(kube: Kube, step: Step, timeout_s: float = READY_S) -> None:
    """Wait until every workload is ready. Raises LocalError with those that are not, and why."""
    deadline = time.monotonic() + timeout_s
    while True:
        rows = gather(kube, time.time())
        waiting = [row for row in rows if not row.healthy]
        if rows and not waiting:
            return
        names = "; ".join(f"{row.kind.lower()}/{row.name}: {row.state}" for row in waiting) or "no workload yet"
        if time.monotonic() > deadline:
            raise LocalError(f"not ready after {timeout_s:.0f} s: {names}. `make logs c=…` shows why")
        step.update(f"{len(rows) - len(waiting)} of {len(rows)} ready; {names}")
        time.sleep(1)


def first_run(kube: Kube, console: Console) -> bool:
    """Run the pipeline unless a run has succeeded before; return whether it ran."""
    with reach(kube, "dagster") as address:
        dagster = Dagster(address)
        if dagster.last("SUCCESS") is not None:
            return False
        follow_run(dagster, console, "First pipeline run")
        return True


def run(call: Call) -> int:
    """Bring everything up, unless another command is at work."""
    with exclusive(call.home.state / "lock", call.name):
        up(call.home, call.console)
    return 0


COMMAND = Command("start everything and run the pipeline once; run it again to continue", "make up", run)
