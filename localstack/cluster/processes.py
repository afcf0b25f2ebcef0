"""Command lines of the cluster's processes: of its control plane, and kubelet and kube-proxy of its node."""

from __future__ import annotations

from localstack.cluster.layout import (
    API_PORT,
    CLUSTER_DOMAIN,
    ETCD_PEER_URL,
    ETCD_URL,
    NODE,
    NODE_ADDRESS,
    POD_NETWORK,
    SERVICE_NETWORK,
    Layout,
)


def etcd(layout: Layout) -> list[str]:
    """The etcd process: loopback only, clients show a certificate, every write is on disk before it counts."""
    pki = layout.pki
    tls = [f"cert-file={pki}/etcd.crt", f"key-file={pki}/etcd.key", f"trusted-ca-file={pki}/etcd-ca.crt",
           "client-cert-auth=true"]  # fmt: skip
    return [
        f"{layout.binaries}/etcd",
        "--name=headwater",
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=headwater={ETCD_PEER_URL}",
        *(f"--{option}" for option in tls),
        *(f"--peer-{option}" for option in tls),
        "--log-level=warn",
    ]


def apiserver(layout: Layout) -> list[str]:
    """The API server, on the node's bridge address: reached from the machine and from pods, from nowhere else."""
    pki = layout.pki
    return [
        f"{layout.binaries}/kube-apiserver",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--etcd-servers={ETCD_URL}",
        f"--etcd-cafile={pki}/etcd-ca.crt",
        f"--etcd-certfile={pki}/apiserver-etcd-client.crt",
        f"--etcd-keyfile={pki}/apiserver-etcd-client.key",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
        "--profiling=false",
    ]


def controller_manager(layout: Layout) -> list[str]:
    """The controller manager; it is the only one, so it elects nobody."""
    pki = layout.pki
    return [
        f"{layout.binaries}/kube-controller-manager",
        *_client(layout, "controller-manager"),
        f"--client-ca-file={pki}/ca.crt",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={POD_NETWORK}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
    ]


def scheduler(layout: Layout) -> list[str]:
    """The scheduler; it is the only one, so it elects nobody."""
    return [f"{layout.binaries}/kube-scheduler", *_client(layout, "scheduler")]


def kubelet(layout: Layout) -> list[str]:
    """The kubelet's command line."""
    return [
        f"{layout.binaries}/kubelet",
        f"--config={layout.configuration}/kubelet.yaml",
        f"--kubeconfig={layout.pki}/kubelet.kubeconfig",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet}/pki",
    ]


def proxy(layout: Layout) -> list[str]:
    """kube-proxy's command line."""
    return [f"{layout.binaries}/kube-proxy", f"--config={layout.configuration}/kube-proxy.yaml"]


def _client(layout: Layout, name: str) -> list[str]:
    """What the controller manager and the scheduler have in common."""
    kubeconfig = f"{layout.pki}/{name}.kubeconfig"
    return [f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")] + [
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--profiling=false",
    ]
