"""`make up`, `down` and `destroy`: the platform's way onto this machine, and off it again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from localstack import aws, build_store, cluster, machine, plan, registry, stack, toolchain
from localstack.console import Console
from localstack.endpoints import endpoint
from localstack.forward import reach
from localstack.home import Home
from localstack.kube import Kube, context
from localstack.pipeline import Dagster
from localstack.platform_status import endpoint_lines, gather
from localstack.registry.bases import served_key
from localstack.reporting import LocalError, Step
from localstack.toolchain.versions import versions

BASE_MB, BASE_S = 105, 60
IMAGES_MB, IMAGES_S = 1100, 600
DEPLOY_S, NO_CHANGE_S, CLUSTER_S, PIPELINE_S = 180, 15, 30, 240
READY_S = 600
# Buildah's network for RUN steps, and the bridge that it leaves behind.
BUILD_NETWORK, BUILD_BRIDGE = "podman", "cni-podman0"
LOCATION_S = 180


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
    if context() is None and not cluster_runs:
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


def check(home: Home, console: Console) -> bool:
    """Check the machine and show the screen; return whether everything runs already.

    Raises LocalError when something keeps the platform from starting.
    """
    external = context()
    items = toolchain.plan(home)
    cluster_runs = Kube(home).reachable() if external is not None else cluster.running(home)
    registry_runs = registry.running(home)
    work = work_to_do(home, items, cluster_runs=cluster_runs, registry_runs=registry_runs)
    first = not (home.state / ".pulumi").exists()
    findings = machine.check(home, external=external, registry=registry_runs, cluster=cluster_runs, first=first)
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
    all_there = check(home, console)
    toolchain.ensure(home, console)
    registry.up(home, console)
    registry.ensure_bases(home, console)
    stack.base_images_file(home).write_text(json.dumps(registry.base_arguments(home), indent=2) + "\n")
    if context() is None:
        cluster.up(home, console)
    with console.step("Stack dev") as step:
        stack.ensure_stack(home, step)
    estimate = NO_CHANGE_S if all_there else IMAGES_S + DEPLOY_S
    with console.step("pulumi up", estimate_s=estimate) as step:
        progress = stack.apply(home, step)
    kube = Kube(home)
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
    console.say(farewell())


def farewell() -> str:
    """Return where things are and what to do next."""
    lines = [
        *endpoint_lines(),
        "",
        f"Dashboard: {endpoint('superset').url}superset/dashboard/petco-executive/",
        "  log in as admin, editor or viewer; `make password u=viewer` shows the password (u=admin is the default)",
        'Next:      make status | make trino | make shop rate=50 | make run | make dbt a="build" | make help',
        "Undo:      make down stops it and keeps the data; make destroy takes everything off this machine",
    ]
    if context() is not None:
        lines.insert(0, "The cluster is elsewhere: `make open` forwards these ports while it runs.")
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
    with reach(kube, endpoint("dagster")) as port:
        dagster = Dagster(f"http://127.0.0.1:{port}")
        if dagster.last("SUCCESS") is not None:
            return False
        follow_run(dagster, console, "First pipeline run")
        return True


def follow_run(dagster: Dagster, console: Console, title: str) -> None:
    """Start the pipeline (or join the run in progress) and follow it. Raises StepFailed with the run's errors."""
    with console.step(title, estimate_s=PIPELINE_S) as step:
        last = dagster.last()
        if last is not None and last.running:
            step.update(f"a run is in progress: {last.run_id}")
            run_id = last.run_id
        else:
            run_id = launch_when_loaded(dagster, step)
        _, progress = dagster.follow(run_id, step.update)
        console.timings += [(f"pipeline step {name}", seconds) for name, seconds in progress.seconds]


def launch_when_loaded(dagster: Dagster, step: Step, timeout_s: float = LOCATION_S) -> str:
    """Launch the pipeline once Dagster has loaded the code location, and return the run's id."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            run_id = dagster.launch()
        except LocalError as error:
            if time.monotonic() > deadline:
                raise
            step.update(f"waiting for the code location: {error}")
            time.sleep(2)
        else:
            step.update(f"started run {run_id}")
            return run_id


def down(home: Home, console: Console) -> None:
    """Stop the cluster and the registry, whose data stays, and the AWS emulator, whose data does not."""
    # It listens on the cluster's bridge.
    aws.down(home, console)
    if context() is None:
        cluster.down(home, console)
    registry.down(home, console)
    console.say(f"Stopped. The data is in {home.root}; `make up` starts it again, `make destroy` removes it.")


def destroy(home: Home, console: Console) -> None:
    """Remove everything that `make up` put on the machine. Raises StepFailed or LocalError."""
    if context() is not None and (home.state / "encryption-salt").exists():
        with console.step("Remove the stack from the cluster", estimate_s=120) as step:
            if stack.call(home, "destroy", "--yes", "--skip-preview") != 0:
                raise LocalError("`pulumi destroy` failed; its messages are above")
            step.update("removed")
    with console.step("Stop and remove the cluster and the registry", estimate_s=20):
        aws.destroy(home)
        cluster.destroy(home)
        registry.destroy(home)
    purge_packages(home, console)
    with console.step(f"Remove {home.root}") as step:
        busy = mounts_below(home.root, Path("/proc/mounts").read_text())
        if busy:
            raise LocalError(f"still mounted, unmount them first: {', '.join(busy)}")
        step.update("remove")
        if os.geteuid() != 0:
            make_writable(home.root)
        shutil.rmtree(home.root)
    print("Everything is removed. The checkout is untouched.")


def make_writable(root: Path) -> None:
    """Let the owner remove read-only folders, such as those of Go's module cache."""
    for folder in root.rglob("*"):
        if folder.is_dir() and not folder.is_symlink() and not folder.stat().st_mode & 0o200:
            folder.chmod(0o700)


def mounts_below(root: Path, mounts: str) -> list[str]:
    """Return the mount points below `root`, from the text of /proc/mounts."""
    points = [line.split()[1] for line in mounts.splitlines()]
    return [point for point in points if Path(point).is_relative_to(root)]


def removed_by(simulation: str) -> set[str]:
    """Return the packages that apt would remove, from the output of `apt-get -s purge`."""
    return set(re.findall(r"^(?:Purg|Remv) (\S+)", simulation, re.M))


def purge_packages(home: Home, console: Console) -> None:
    """Purge the packages that were added, unless something else came to need them; then say how."""
    added = toolchain.installed_by_us(home)
    with console.step("Remove the packages that were added") as step:
        if not added:
            step.skip("none was added")
            return
        dry = subprocess.run(["apt-get", "-s", "purge", *added], capture_output=True, text=True, check=False)
        others = removed_by(dry.stdout) - set(added)
        if dry.returncode != 0 or others:
            step.skip(f"needed by {', '.join(sorted(others))}; by hand: apt-get purge {' '.join(added)}")
            return
        step.run(["apt-get", "-q", "--yes", "purge", *added])
        remove_traces(Path("/"), added)
        if "buildah" in added and shutil.which("podman") is None and Path("/sys/class/net", BUILD_BRIDGE).exists():
            step.run(["ip", "link", "delete", BUILD_BRIDGE])


def remove_traces(root: Path, added: Iterable[str]) -> None:
    """Remove what the purged packages made while they ran, below `root`; folders that hold anything else stay."""
    traces = {
        "buildah": ("etc/cni/net.d/cni.lock", "run/headwater-buildah", f"var/lib/cni/networks/{BUILD_NETWORK}"),
        "containerd": ("run/containerd",),
    }
    for path in (root / name for package in traces.keys() & added for name in traces[package]):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in ("etc/cni/net.d", "etc/cni", "var/lib/cni/networks", "var/lib/cni/results", "var/lib/cni"):
        folder = root / name
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
