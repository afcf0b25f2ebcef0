"""Addresses and folders of the local cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localstack.home import Home

NODE = "headwater"
NODE_ADDRESS = "10.231.77.1"
"""On a bridge without ports: the same on every machine, and no packet to it leaves the machine."""
NODE_BRIDGE = "headwater0"
POD_BRIDGE = "headwater1"
POD_NETWORK_NAME = "headwater"
POD_NETWORK = "10.244.0.0/16"
NODE_POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443
API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"
ETCD_URL = "https://127.0.0.1:2379"
ETCD_PEER_URL = "https://127.0.0.1:2380"
CLUSTER_DOMAIN = "cluster.local"
CONTEXT = "headwater"


@dataclass(frozen=True)
class Layout:
    """Folders and files of the cluster below HOME/cluster, and the folder of its binaries."""

    root: Path
    binaries: Path
    logs: Path
    run: Path
    kubeconfig: Path

    @classmethod
    def of(cls, home: Home, binaries: Path) -> Layout:
        """The layout of a home; `binaries` is the folder of the hyperkube build."""
        return cls(home.cluster, binaries, home.logs / "cluster", home.run, home.kubeconfig)

    @property
    def pki(self) -> Path:
        """Keys, certificates and the components' kubeconfigs."""
        return self.root / "pki"

    @property
    def configuration(self) -> Path:
        """Rendered configuration files."""
        return self.root / "configuration"

    @property
    def etcd(self) -> Path:
        """etcd's data: everything that the API server knows."""
        return self.root / "etcd"

    @property
    def containerd(self) -> Path:
        """containerd's images and containers."""
        return self.root / "containerd"

    @property
    def containerd_state(self) -> Path:
        """containerd's state of this boot."""
        return self.root / "run/containerd"

    @property
    def containerd_socket(self) -> Path:
        """Where the kubelet and `ctr` reach containerd."""
        return self.root / "run/containerd.sock"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root folder."""
        return self.root / "kubelet"

    @property
    def volumes(self) -> Path:
        """Data of persistent volumes, one folder a claim."""
        return self.root / "volumes"

    @property
    def network(self) -> Path:
        """CNI configuration and given-out addresses."""
        return self.root / "network"

    def create(self) -> None:
        """Make the folders."""
        own = (
            self.pki,
            self.configuration,
            self.etcd,
            self.containerd,
            self.containerd_state,
            self.kubelet,
            self.volumes,
        )
        for folder in (*own, self.network / "net.d", self.kubelet / "manifests", self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self.etcd.chmod(0o700)
