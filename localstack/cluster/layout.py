"""Addresses and folders of the local cluster."""

from __future__ import annotations

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


class Layout:
    """Folders and files of the cluster below HOME/cluster. `binaries`: folder of the hyperkube build."""

    def __init__(self, home: Home, binaries: Path) -> None:
        self.root, self.binaries, self.kubeconfig = home.cluster, binaries, home.kubeconfig
        self.logs, self.run = home.logs / "cluster", home.run
        self.pki = self.root / "pki"
        """Keys, certificates and the components' kubeconfigs."""
        self.configuration = self.root / "configuration"
        """Rendered configuration files."""
        self.etcd = self.root / "etcd"
        """etcd's data: everything that the API server knows."""
        self.containerd = self.root / "containerd"
        """containerd's images and containers."""
        self.containerd_state = self.root / "run/containerd"
        """containerd's state of this boot."""
        self.containerd_socket = self.root / "run/containerd.sock"
        """Where the kubelet and `ctr` reach containerd."""
        self.kubelet = self.root / "kubelet"
        """The kubelet's root folder."""
        self.volumes = self.root / "volumes"
        """Data of persistent volumes, one folder a claim."""
        self.network = self.root / "network"
        """CNI configuration and given-out addresses."""

    def create(self) -> None:
        """Make the folders."""
        own = (self.pki, self.configuration, self.etcd, self.containerd, self.containerd_state, self.volumes)
        for folder in (*own, self.network / "net.d", self.kubelet / "manifests", self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self.etcd.chmod(0o700)
