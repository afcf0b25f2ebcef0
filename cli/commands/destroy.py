"""`make destroy`: removes the platform and its data from this machine."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from cli.command import Call, Command, Option, truth
from cli.platform.kube import Kube
from cli.program import stack
from localstack import aws, cluster, registry, toolchain
from localstack.console import Console
from localstack.errors import LocalError, UsageError
from localstack.exclusive import exclusive
from localstack.home import Home
from localstack.mounts import MOUNTINFO, mounts_below
from localstack.process import ask

# Buildah's network for RUN steps, and the bridge that it leaves behind.
BUILD_NETWORK, BUILD_BRIDGE = "podman", "cni-podman0"


def destroy(home: Home, console: Console) -> None:
    """Remove everything that `make up` put on the machine. Raises StepFailed or LocalError."""
    if (home.state / "encryption-salt").exists() and Kube.of(home, stack.STACK).platform.context is not None:
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
        busy = mounts_below(home.root, MOUNTINFO.read_text().splitlines(), itself=True)
        if busy:
            raise LocalError(f"still mounted, unmount them first: {', '.join(map(str, busy))}")
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
        dry = ask(["apt-get", "-s", "purge", *added])
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


def run(call: Call) -> int:
    """Ask, and remove everything."""
    root = call.home.root
    if not root.exists():
        print(f"There is nothing to remove: no {root}.")
        return 0
    if not call.options.yes:
        print(f"This removes {root} with all data of the platform, its processes and network devices.")
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on; use `make destroy yes=1`")
        if input("Type yes to go on: ").strip().lower() != "yes":
            print("Nothing was changed.")
            return 1
    with exclusive(call.home.state / "lock", call.name):
        destroy(call.home, call.console)
    return 0


COMMAND = Command(
    "remove everything that was put on this machine", "make destroy yes=1", run,
    [Option("yes", "do not ask", kind=truth)],
)  # fmt: skip
