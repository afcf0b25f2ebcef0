"""Starts, stops and removes the cluster's processes, in the order of their dependencies."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localstack.cluster import configuration, containerd, images, manifests, network, processes, status
from localstack.cluster.layout import Layout
from localstack.cluster.status import PROCESSES, daemons, kubectl, layout, running
from localstack.console import Console, Step
from localstack.daemons import Daemon
from localstack.errors import LocalError
from localstack.home import Home, external_context
from localstack.mounts import unmount_below
from localstack.process import output
from localstack.registry.server import ADDRESS
from localstack.toolchain.versions import versions

READY_S = 120
CONTAINER_GRACE_S = 25
"""Databases get this long for their last checkpoint; 20 s is what Postgres takes with full buffers."""
POLL_S = 0.2


@dataclass(frozen=True)
class Starter:
    """Starts processes and waits for them; says which one ended, with the end of its log."""

    processes: dict[str, Daemon]
    step: Step

    def start(self, name: str, argv: Sequence[str], *configuration: str) -> None:
        """Start a process; one that runs with another command line or configuration is started again."""
        fingerprint = hashlib.sha256("\0".join(configuration).encode()).hexdigest()[:16]
        process = self.processes[name]
        if process.alive() and not process.started_as(argv, fingerprint):
            process.stop(grace_s=15)
        if process.start(argv, fingerprint=fingerprint):
            self.step.update(f"{name} started")

    def wait(self, what: str, ready: Callable[[], bool], *needed: str) -> None:
        """Wait until `ready`; raises LocalError when a needed process ends or the time is up."""
        deadline = time.monotonic() + READY_S
        while not ready():
            for name in needed:
                process = self.processes[name]
                if not process.alive():
                    raise LocalError(f"{name} has ended, log {process.log}:\n{process.tail()}")
            if time.monotonic() > deadline:
                tails = "\n".join(f"{name}: {self.processes[name].tail(2)}" for name in needed)
                raise LocalError(f"{what}: not so after {READY_S} s. Last lines of the logs:\n{tails}")
            time.sleep(POLL_S)
        self.step.update(what)


def up(home: Home, console: Console) -> None:
    """Have a cluster: the named one, which is only asked, or our own, started where it does not run.

    Raises LocalError when it does not become ready; run again, it continues.
    """
    context = external_context()
    with console.step("Kubernetes", estimate_s=25) as step:
        if context is not None:
            if not running(home):
                raise LocalError(
                    f"the cluster of kubeconfig context {context!r} (HEADWATER_KUBE_CONTEXT) does not answer"
                )
            step.skip(f"context {context} is used")
            return
        if os.geteuid() != 0:
            raise LocalError("a cluster of our own needs root; or name another with HEADWATER_KUBE_CONTEXT=<context>")
        _start(home, step)


def _start(home: Home, step: Step) -> None:
    """Start everything that does not run yet and wait until pods can be scheduled."""
    # Imported here: certificates need cryptography, and `make help` is to answer at once.
    from localstack.cluster import pki

    place = layout(home)
    home.create()
    place.create()
    _raise_open_files()
    pki.ensure(place)
    network.up(home.run / "kernel-switches.json")
    node_images = images.system_images(home, versions())
    starter = Starter(daemons(home), step)
    ctr = containerd.Ctr(place.containerd_socket)

    config = _write_configuration(place, node_images["pause"].reference)
    starter.start(
        "containerd", ["containerd", "--config", f"{place.configuration}/containerd.toml"], config["containerd.toml"]
    )
    certificates = (place.pki / "certificates.json").read_text()
    starter.start("etcd", processes.etcd(place), certificates)
    starter.start("kube-apiserver", processes.apiserver(place), certificates)
    starter.wait("containerd answers", ctr.answers, "containerd")
    images.ensure(node_images, ctr, home.cache, step)
    starter.wait("API server ready", lambda: kubectl(home, "get", "--raw", "/readyz").returncode == 0,
                 "etcd", "kube-apiserver")  # fmt: skip
    starter.start("kube-controller-manager", processes.controller_manager(place), certificates)
    starter.start("kube-scheduler", processes.scheduler(place), certificates)
    starter.start("kubelet", processes.kubelet(place), config["kubelet.yaml"], certificates)
    starter.start("kube-proxy", processes.proxy(place), config["kube-proxy.yaml"], certificates)
    _apply(home, manifests.render(place, node_images))
    starter.wait("node ready", lambda: status.node_ready(home), *PROCESSES)
    # After a start the API server still shows the states from before the stop.
    starter.wait("pod states current", lambda: status.states_current(home, ctr), *PROCESSES)
    for namespace, name in manifests.ROLLOUTS:
        _rollout(home, starter, namespace, name)


def _write_configuration(place: Layout, pause_image: str) -> dict[str, str]:
    """Write the rendered configuration files; returns them by name."""
    files = configuration.render(place, pause_image)
    for name, text in files.items():
        path = place.configuration / name
        # kube-proxy ends when its file is written, even with the same content.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    registry = place.configuration / "registries" / ADDRESS
    registry.mkdir(parents=True, exist_ok=True)
    (registry / "hosts.toml").write_text(containerd.render_registry())
    (place.network / "net.d/10-headwater.conflist").write_text(containerd.render_network(place))
    return files


def _apply(home: Home, documents: str) -> None:
    """Apply manifests; raises LocalError with kubectl's message."""
    reply = kubectl(home, "apply", "-f", "-", input=documents)
    if reply.returncode != 0:
        raise LocalError(f"the cluster's own manifests are refused: {reply.stderr.strip()}")


def _rollout(home: Home, starter: Starter, namespace: str, name: str) -> None:
    """Wait until a deployment of the cluster's own is available."""

    def available() -> bool:
        reply = kubectl(home, "-n", namespace, "rollout", "status", f"deployment/{name}", "--watch=false")
        return "successfully rolled out" in reply.stdout

    starter.wait(f"{name} available", available, *PROCESSES)


def _raise_open_files() -> None:
    """Let pods open as many files as the machine allows: they inherit this process's limit through containerd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_048_576 if hard == resource.RLIM_INFINITY else min(hard, 1_048_576)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def down(home: Home, console: Console) -> None:
    """Stop the cluster: containers get their stop signal and time, then the processes; data stays."""
    with console.step("Stop Kubernetes", estimate_s=20) as step:
        if external_context() is not None:
            step.skip("it is not ours")
            return
        if not any(process.record() is not None for process in daemons(home).values()):
            step.skip("does not run")
            return
        _stop(home, step)


def _stop(home: Home, step: Step | None) -> None:
    """Stop what runs, in an order in which nothing is started again."""
    place, processes = layout(home), daemons(home)
    for name in ("kube-scheduler", "kube-controller-manager", "kubelet", "kube-proxy"):
        processes[name].stop(grace_s=10)
    if processes["containerd"].alive():
        _stop_containers(containerd.Ctr(place.containerd_socket), step)
    for name in ("kube-apiserver", "etcd", "containerd"):
        processes[name].stop(grace_s=15)
    _kill_shims(place)
    unmount_below(place.root)
    if os.geteuid() == 0:
        network.down(home.run / "kernel-switches.json")


def _still(workloads: Sequence[containerd.Container], running_ids: Sequence[str]) -> list[containerd.Container]:
    """Those of the containers that run."""
    return [container for container in workloads if container.id in running_ids]


def _stop_containers(ctr: containerd.Ctr, step: Step | None) -> None:
    """Ask every container to stop, with its own stop signal, wait, then kill what is left and the sandboxes."""
    known = {container.id: container for container in ctr.containers()}
    workloads = [known[name] for name in ctr.running() if name in known and not known[name].sandbox]
    for container in workloads:
        ctr.kill(container.id, container.stop_signal)
    begun = time.monotonic()
    while waiting := _still(workloads, ctr.running()):
        waited = time.monotonic() - begun
        if all(waited > min(container.grace_s, CONTAINER_GRACE_S) for container in waiting):
            break
        if step is not None:
            step.update(f"{len(waiting)} containers still stop")
        time.sleep(POLL_S)
    for name in ctr.running():
        ctr.kill(name, "SIGKILL")
    deadline = time.monotonic() + 10
    while ctr.running() and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for container in known.values():
        namespace = container.network_namespace
        if namespace is not None and namespace.exists():
            output(["ip", "netns", "delete", namespace.name])


def _kill_shims(place: Layout) -> None:
    """End containerd's shims that outlived it; only those that serve our socket."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith("containerd-shim-runc-v2") and str(place.containerd_socket) in words:
            os.kill(int(process.name), signal.SIGKILL)


def destroy(home: Home) -> None:
    """Stop the cluster and remove all of it, volumes included."""
    if external_context() is not None:
        return
    if any(process.record() is not None for process in daemons(home).values()):
        _stop(home, None)
    # Nothing may be removed through a mount.
    unmount_below(home.cluster)
    if home.cluster.exists():
        shutil.rmtree(home.cluster)
    home.kubeconfig.unlink(missing_ok=True)
