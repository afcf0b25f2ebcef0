"""containerd: its configuration, and what `ctr` says about containers."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localstack.cluster.layout import NODE_POD_NETWORK, POD_BRIDGE, POD_NETWORK_NAME, Layout
from localstack.registry.server import ADDRESS
from localstack.reporting import LocalError

NAMESPACE = "k8s.io"
DEFAULT_GRACE_S = 30.0
"""Kubernetes' own terminationGracePeriodSeconds."""
CNI_BINARIES = "/usr/lib/cni"


def render_config(layout: Layout, pause_image: str) -> str:
    """containerd's config.toml (version 2, for containerd 1.6 and 1.7)."""
    return f"""\
version = 2
root = "{layout.containerd}"
state = "{layout.containerd_state}"

[grpc]
  address = "{layout.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  stream_server_address = "127.0.0.1"
  # Without CAP_SYS_RESOURCE runc cannot lower oom_score_adj and no container would start.
  restrict_oom_score_adj = true
  # Cluster DNS binds port 53 without any privilege.
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BINARIES}"
    conf_dir = "{layout.network / "net.d"}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{layout.configuration / "registries"}"
"""


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

    def call(self, *words: str, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `ctr`; raises LocalError with its message unless `check` is off."""
        reply = subprocess.run(
            ["ctr", "-a", str(self.socket), "-n", NAMESPACE, *words],
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if check and reply.returncode != 0:
            raise LocalError(f"`ctr {' '.join(words)}` failed: {reply.stderr.strip()}")
        return reply

    def answers(self) -> bool:
        """Whether containerd answers."""
        return self.call("version", check=False).returncode == 0

    def images(self) -> frozenset[str]:
        """Names of all images."""
        return frozenset(self.call("images", "ls", "-q").stdout.split())

    def running(self) -> tuple[str, ...]:
        """Ids of all containers and sandboxes with a running process."""
        rows = [line.split() for line in self.call("tasks", "ls").stdout.splitlines()[1:]]
        return tuple(row[0] for row in rows if row[2] == "RUNNING")

    def containers(self) -> tuple[Container, ...]:
        """All containers and sandboxes."""
        ids = self.call("containers", "ls", "-q").stdout.split()
        # One may go between the two calls.
        infos = [self.call("containers", "info", container, check=False) for container in ids]
        return tuple(parse_container(info.stdout) for info in infos if info.returncode == 0)

    def kill(self, container: str, signal: str) -> None:
        """Send a signal to the first process of a container; one that has ended meanwhile is no error."""
        reply = self.call("tasks", "kill", "--signal", signal, container, check=False)
        if reply.returncode != 0 and "not found" not in reply.stderr and "already finished" not in reply.stderr:
            raise LocalError(f"cannot stop container {container}: {reply.stderr.strip()}")
