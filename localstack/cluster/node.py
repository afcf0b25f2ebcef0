"""The node's own processes: kubelet and kube-proxy, with their configuration."""

from __future__ import annotations

import json

from localstack.cluster.layout import CLUSTER_DOMAIN, DNS_ADDRESS, NODE, NODE_ADDRESS, POD_NETWORK, Layout

RESTART_LIMIT = "20s"
"""Longest pause before a crashed container is started again; Kubernetes' own 5 min would delay every recovery."""


def render_kubelet(layout: Layout) -> str:
    """KubeletConfiguration (JSON, which is YAML): serves on the node's bridge address and asks for certificates."""
    pki = layout.pki
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "healthzBindAddress": "127.0.0.1",
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/kubelet-server.crt",
            "tlsPrivateKeyFile": f"{pki}/kubelet-server.key",
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            # Without CAP_SYS_RESOURCE the kubelet cannot lower its own score.
            "oomScoreAdj": 0,
            "clusterDomain": CLUSTER_DOMAIN,
            "clusterDNS": [DNS_ADDRESS],
            "resolvConf": str(layout.configuration / "resolv.conf"),
            "staticPodPath": str(layout.kubelet / "manifests"),
            "podLogsDir": str(layout.logs / "pods"),
            "containerLogMaxSize": "10Mi",
            "containerLogMaxFiles": 3,
            "volumePluginDir": str(layout.kubelet / "plugins"),
            "serializeImagePulls": False,
            # Images are few and local, and a removed system image could not be pulled again.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
            "featureGates": {"KubeletCrashLoopBackOffMax": True},
            "crashLoopBackOff": {"maxContainerRestartPeriod": RESTART_LIMIT},
        },
        indent=2,
    )


def kubelet(layout: Layout) -> list[str]:
    """The kubelet's command line."""
    return [
        f"{layout.binaries}/kubelet",
        f"--config={layout.configuration}/kubelet.json",
        f"--kubeconfig={layout.pki}/kubelet.kubeconfig",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet}/pki",
    ]


def render_proxy(layout: Layout) -> str:
    """KubeProxyConfiguration (JSON, which is YAML): node ports answer on loopback only."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "iptables": {"localhostNodePorts": True},
            "nodePortAddresses": ["127.0.0.0/8"],
            "clusterCIDR": POD_NETWORK,
            "hostnameOverride": NODE,
            "oomScoreAdj": 0,
            "clientConnection": {"kubeconfig": f"{layout.pki}/proxy.kubeconfig"},
            # Zero leaves the machine's own connection tracking settings alone.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
        },
        indent=2,
    )


def proxy(layout: Layout) -> list[str]:
    """kube-proxy's command line."""
    return [f"{layout.binaries}/kube-proxy", f"--config={layout.configuration}/proxy.json"]
