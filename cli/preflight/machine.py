"""Checks the machine before anything changes: its system, its resources, and which package sources can be reached."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cli.platform.endpoints import Platform, answers
from localstack.cluster.layout import API_PORT
from localstack.home import Home
from localstack.registry.server import PORT as REGISTRY_PORT

MEMORY_GIB = 7.0
"""What the idle platform takes, with a pipeline run on top."""
DISK_GIB = {True: 35.0, False: 5.0}
"""Free space that the first `make up` (True) takes with its caches and images, and that a later one wants."""
SOURCE_TIMEOUT_S = 60


@dataclass(frozen=True)
class Finding:
    """One line of the check. `problem` is the way out of what stops `make up`; `warning` of what does not."""

    what: str
    value: str
    problem: str | None = None
    warning: str | None = None


def memory_gib(meminfo: str) -> tuple[float, float]:
    """Return (total, available) GiB from the text of /proc/meminfo."""
    kib = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines() if ":" in line}
    return kib["MemTotal"] / 2**20, kib.get("MemAvailable", kib["MemFree"]) / 2**20


def system_name() -> str:
    """Return the system's name for people."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "Linux"


def check_user(uid: int, external: str | None) -> Finding:
    """Return whether this user may make a cluster."""
    if uid == 0:
        return Finding("user", "root")
    if external is not None:
        return Finding("user", f"uid {uid}, rootless; the cluster is the context {external}")
    way_out = "the local cluster needs root: use `sudo make up`, or name a cluster of yours in HEADWATER_KUBE_CONTEXT"
    return Finding("user", f"uid {uid}, rootless", problem=way_out)


def check_memory(total: float, available: float, running: bool) -> Finding:
    """Return whether the memory (GiB) is enough; what a running platform takes is not asked for again."""
    text = f"{available:.1f} of {total:.1f} GiB free"
    if running or available >= MEMORY_GIB:
        return Finding("memory", text)
    return Finding(
        "memory", text, warning=f"the platform takes about {MEMORY_GIB:.0f} GiB: expect evictions or swapping"
    )


def check_disk(free_gib: float, folder: Path, first: bool) -> Finding:
    """Return whether the disk below `folder` has enough space."""
    wanted = DISK_GIB[first]
    text = f"{free_gib:.0f} GiB free for {folder}"
    if free_gib >= wanted:
        return Finding("disk", text)
    way_out = f"needs {wanted:.0f} GiB: make room, or set HEADWATER_HOME to a folder on a larger disk"
    return Finding("disk", text, problem=way_out)


def ports(wanted: Platform, *, registry: bool, cluster: bool) -> dict[int, bool]:
    """Return the ports of this machine that the platform takes, and whether what we run listens there already."""
    if wanted.context is not None:
        return {REGISTRY_PORT: registry}
    nodes = [each.node_port for each in wanted.endpoints if each.node_port is not None]
    return {REGISTRY_PORT: registry, **dict.fromkeys((API_PORT, *nodes), cluster)}


def check_ports(wanted: Mapping[int, bool], busy: Callable[[int], bool]) -> Finding:
    """Return whether each port is free, or ours already: `wanted` maps a port to whether what we run listens there."""
    taken = [port for port, ours in wanted.items() if not ours and busy(port)]
    if taken:
        listed = ", ".join(map(str, taken))
        way_out = "another program listens on 127.0.0.1; stop it (`ss -ltnp` names it)"
        return Finding("ports", f"{listed} taken", problem=way_out)
    free = [str(port) for port, ours in wanted.items() if not ours]
    return Finding("ports", f"{', '.join(free)} free" if free else "ours")


def check_found(found: Mapping[str, str | None]) -> Finding:
    """Return what is on the machine already, by name; None is what is not."""
    there = [f"{name} ({where})" for name, where in found.items() if where is not None]
    return Finding("found", ", ".join(there) if there else "no pulumi, docker or kubectl; they are made or not needed")


def source_commands(home: Home, names: Sequence[str], scratch: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return for each package source the ordinary client's smallest question, as (argv, environment)."""
    plain = dict(os.environ)
    go = shutil.which("go", path=home.environment()["PATH"])
    questions: dict[str, tuple[list[str], dict[str, str]]] = {
        "apt": (["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "-o", f"Dir::State::Lists={scratch}/lists",
                 "-o", "Acquire::Languages=none", "update"], plain),
        "python": ([sys.executable, "-m", "uv", "pip", "install", "-q", "--dry-run", "--no-cache", "--no-deps",
                    "--target", str(scratch / "python"), "idna==3.10"], plain),
    }  # fmt: skip
    if go is not None:
        fresh = {"GOMODCACHE": str(scratch / "go"), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        questions["go"] = ([go, "mod", "download", "golang.org/x/sync@v0.10.0"], plain | fresh)
    return {name: question for name, question in questions.items() if name in names}


def check_sources(home: Home, names: Sequence[str]) -> list[Finding]:
    """Ask every package source that will be needed, at once; a source that does not answer is a problem."""
    with tempfile.TemporaryDirectory(prefix="headwater-check-") as folder:
        scratch = Path(folder)
        (scratch / "lists" / "partial").mkdir(parents=True)
        questions = source_commands(home, names, scratch)

        def ask(name: str) -> Finding:
            argv, environment = questions[name]
            try:
                done = subprocess.run(
                    argv, env=environment, cwd=scratch, capture_output=True, text=True, check=False,
                    timeout=SOURCE_TIMEOUT_S, stdin=subprocess.DEVNULL,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                return Finding(f"{name} packages", "no answer", problem=f"{error}")
            if done.returncode == 0:
                return Finding(f"{name} packages", "answers")
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            return Finding(f"{name} packages", "no answer", problem=f"`{' '.join(argv[:3])} …`: {' '.join(last)}")

        with ThreadPoolExecutor(max_workers=3) as pool:
            return list(pool.map(ask, questions))


def docker() -> str | None:
    """Return where docker is when its daemon answers, else None."""
    found = shutil.which("docker")
    if found is None:
        return None
    try:
        done = subprocess.run([found, "info"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found if done.returncode == 0 else None


def check(home: Home, wanted: Platform, *, registry: bool, cluster: bool, first: bool) -> list[Finding]:
    """Look at the machine; changes nothing.

    `wanted`: what is to run here. `registry`, `cluster`: ours runs already. `first`: nothing was made below `home`
    yet.
    """
    external = wanted.context
    if platform.system() != "Linux" and external is None:
        way_out = "the local cluster needs Linux: name a cluster of yours in HEADWATER_KUBE_CONTEXT"
        return [Finding("system", platform.platform(), problem=way_out)]
    total, available = memory_gib(Path("/proc/meminfo").read_text())
    folder = next(parent for parent in (home.root, *home.root.parents) if parent.exists())
    cores = len(os.sched_getaffinity(0))
    return [
        Finding("system", f"{system_name()}, {platform.machine()}"),
        check_user(os.getuid(), external),
        Finding("cores", str(cores), warning=None if cores >= 2 else "one core: everything takes twice as long"),
        check_memory(total, available, cluster),
        check_disk(shutil.disk_usage(folder).free / 2**30, home.root, first),
        check_ports(ports(wanted, registry=registry, cluster=cluster), answers),
        check_found(
            {
                "pulumi": shutil.which("pulumi"),
                "docker": docker(),
                "kubectl": shutil.which("kubectl"),
                "kubeconfig context": external,
            }
        ),
    ]
