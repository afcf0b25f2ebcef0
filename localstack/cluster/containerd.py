"""containerd: the registry and the network that it is told of, and what `ctr` reports about containers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localstack.cluster.layout import NODE_POD_NETWORK, POD_BRIDGE, POD_NETWORK_NAME, Layout
from localstack.errors import LocalError
from localstack.process import ask, output
from localstack.registry.server import ADDRESS

NAMESPACE = "k8s.io"
DEFAULT_GRACE_S = 30.0
"""Kubernetes' own terminationGracePeriodSeconds."""


def render_registry() -> str:
    """hosts.toml of the local registry: plain HTTP on loopback."""
    return f'server = "http://{ADDRESS}"\n\n[host."http://{ADDRESS}"]\n  capabilities = ["pull", "resolve"]\n'


def render_network(layout: Layout) -> str:
    """The pods' network (CNI): one bridge, addresses of the node's range, host ports."""
    ranges = [[{"subnet": NODE_POD_NETWORK}]]
    bridge = {"type": "bridge", "bridge": POD_BRIDGE, "isGateway": True, "isDefaultGateway": True, "ipMasq": True,
              "hairpinMode": True, "ipam": {"type": "host-local", "dataDir": str(layout.network / "addresses"),
                                            "ranges": ranges}}  # fmt: skip
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return json.dumps({"cniVersion": "0.4.0", "name": POD_NETWORK_NAME, "plugins": [bridge, portmap]}, indent=2)


@dataclass(frozen=True)
class Container:
    """A container or pod sandbox that containerd knows: how it is to be stopped; a sandbox's network namespace."""

    id: str
    sandbox: bool
    stop_signal: str
    grace_s: float
    network_namespace: Path | None


def parse_container(info: str) -> Container:
    """What `ctr containers info` says about a container of the kubelet; its details are in a metadata extension."""
    document = json.loads(info)
    details: dict[str, object] = {}
    for extension in (document.get("Extensions") or {}).values():
        value = extension.get("value", extension.get("Value"))
        if value is not None:
            details = json.loads(base64.b64decode(value)).get("Metadata", {})
    signal = details.get("StopSignal")
    namespace = details.get("NetNSPath")
    config = details.get("Config")
    annotations = (config.get("annotations") or {}) if isinstance(config, dict) else {}
    return Container(
        id=document["ID"],
        sandbox=document.get("Labels", {}).get("io.cri-containerd.kind") == "sandbox",
        stop_signal=signal if isinstance(signal, str) and signal else "SIGTERM",
        grace_s=float(annotations.get("io.kubernetes.pod.terminationGracePeriod", DEFAULT_GRACE_S)),
        network_namespace=Path(namespace) if isinstance(namespace, str) and namespace else None,
    )


@dataclass(frozen=True)
class Ctr:
    """containerd's own client, in the namespace of the kubelet."""

    socket: Path

    def call(self, *words: str, timeout_s: float = 60) -> str:
        """Return what `ctr` prints. Raises LocalError with its message."""
        return output(self._argv(words), timeout=timeout_s)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `ctr`; the caller judges how it ends."""
        return ask(self._argv(words), timeout=60)

    def _argv(self, words: Sequence[str]) -> list[str]:
        return ["ctr", "-a", str(self.socket), "-n", NAMESPACE, *words]

    def answers(self) -> bool:
        """Whether containerd answers."""
        return self.ask("version").returncode == 0

    def images(self) -> frozenset[str]:
        """Names of all images."""
        return frozenset(self.call("images", "ls", "-q").split())

    def running(self) -> tuple[str, ...]:
        """Ids of all containers and sandboxes with a running process."""
        rows = [line.split() for line in self.call("tasks", "ls").splitlines()[1:]]
        return tuple(row[0] for row in rows if row[2] == "RUNNING")

    def containers(self) -> tuple[Container, ...]:
        """All containers and sandboxes."""
        ids = self.call("containers", "ls", "-q").split()
        # One may go between the two calls.
        infos = [self.ask("containers", "info", container) for container in ids]
        return tuple(parse_container(info.stdout) for info in infos if info.returncode == 0)

    def kill(self, container: str, signal: str) -> None:
        """Send a signal to the first process of a container; one that has ended meanwhile is no error."""
        reply = self.ask("tasks", "kill", "--signal", signal, container)
        if reply.returncode != 0 and "not found" not in reply.stderr and "already finished" not in reply.stderr:
            raise LocalError(f"cannot stop container {container}: {reply.stderr.strip()}")
