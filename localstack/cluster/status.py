"""Which parts of the cluster run, according to its processes, its API server and containerd."""

from __future__ import annotations

import json
import subprocess

from localstack.cluster.containerd import Ctr
from localstack.cluster.layout import NODE, Layout
from localstack.daemons import Daemon, answers
from localstack.home import Home, external_context
from localstack.process import ask
from localstack.toolchain import builds
from localstack.toolchain.versions import versions

PROCESSES = (
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)


def layout(home: Home) -> Layout:
    """The cluster's layout with the binaries of the current pins."""
    return Layout(home, builds.folder(home, versions().build("kubernetes")))


def daemons(home: Home) -> dict[str, Daemon]:
    """The cluster's processes by name."""
    place = layout(home)
    return {name: Daemon(name, place.run, place.logs) for name in PROCESSES}


def kubectl(home: Home, *words: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl against the cluster in use; the caller judges the exit code."""
    context = external_context()
    target = ["--kubeconfig", str(home.kubeconfig)] if context is None else ["--context", context]
    return ask([home.bin / "kubectl", *target, *words], input=input)


def running(home: Home) -> bool:
    """Whether the cluster in use answers, and, where it is ours, whether all its processes run."""
    if external_context() is None and not all(process.alive() for process in daemons(home).values()):
        return False
    return (home.bin / "kubectl").exists() and kubectl(home, "get", "--raw", "/readyz").returncode == 0


def node_ready(home: Home) -> bool:
    """Whether the kubelet is healthy and the node reports Ready."""
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return answers("127.0.0.1", 10248, "/healthz") and kubectl(home, "get", "node", NODE, "-o", path).stdout == "True"


def reported_running(pods: str) -> set[str]:
    """Ids of the containers that run according to a list of pods (JSON of the API server)."""
    return {
        status["containerID"].removeprefix("containerd://")
        for pod in json.loads(pods)["items"]
        for status in pod["status"].get("containerStatuses", [])
        if "running" in status["state"]
    }


def states_current(home: Home, ctr: Ctr) -> bool:
    """Whether every container that the API server reports as running does run."""
    reply = kubectl(home, "get", "pods", "--all-namespaces", "-o", "json")
    return reply.returncode == 0 and reported_running(reply.stdout) <= set(ctr.running())
