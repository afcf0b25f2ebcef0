"""What the cluster's processes are told: addresses they listen on, data they keep, rules that shut the network."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localstack.cluster import configuration, containerd, manifests, network, pki, processes, status
from localstack.cluster.images import SystemImage
from localstack.cluster.layout import DNS_ADDRESS, NODE_ADDRESS, Layout
from localstack.home import Home
from localstack.mounts import mounts_below

LAYOUT = Layout(Home(Path("/home-of-headwater")), Path("/binaries"))
ALLOWED = {"127.0.0.1", NODE_ADDRESS}


def addresses(text: str) -> set[str]:
    """All IPv4 addresses in a text, but for networks with their prefix length."""
    found = re.findall(r"(?<![\d.])(\d+\.\d+\.\d+\.\d+)(?![\d./])", text)
    return {address for address in found if ipaddress.ip_address(address)}


@pytest.mark.parametrize(
    "command",
    [processes.etcd, processes.apiserver, processes.controller_manager, processes.scheduler],
)
def test_control_plane_listens_on_loopback_or_the_nodes_bridge(command: Callable[[Layout], list[str]]) -> None:
    arguments = command(LAYOUT)
    assert addresses(" ".join(arguments)) <= ALLOWED
    listens = [argument for argument in arguments if re.match(r"--(bind-address|listen-client-urls)=", argument)]
    assert listens, "without the option the process listens on all addresses"


def test_kubelet_and_proxy_listen_on_loopback_or_the_nodes_bridge() -> None:
    files = configuration.render(LAYOUT, "pause:1")
    kubelet = yaml.safe_load(files["kubelet.yaml"])
    assert kubelet["address"] == NODE_ADDRESS
    assert kubelet["healthzBindAddress"] == "127.0.0.1"
    assert kubelet["readOnlyPort"] == 0
    assert kubelet["authentication"]["anonymous"]["enabled"] is False
    proxy = yaml.safe_load(files["kube-proxy.yaml"])
    assert proxy["nodePortAddresses"] == ["127.0.0.0/8"]
    assert proxy["healthzBindAddress"].startswith("127.0.0.1:")
    assert proxy["metricsBindAddress"].startswith("127.0.0.1:")


def test_etcd_syncs_every_write_and_asks_for_certificates() -> None:
    arguments = processes.etcd(LAYOUT)
    assert not any("no-fsync" in argument for argument in arguments)
    assert "--client-cert-auth=true" in arguments
    assert "--peer-client-cert-auth=true" in arguments


def test_api_server_refuses_anonymous_requests() -> None:
    assert "--anonymous-auth=false" in processes.apiserver(LAYOUT)


def test_api_servers_certificate_names_the_address_in_the_kubeconfigs() -> None:
    [certificate] = [certificate for certificate in pki.certificates() if certificate.name == "apiserver"]
    assert f"IP:{NODE_ADDRESS}" in certificate.names
    kubeconfig = json.loads(pki.render_kubeconfig(b"authority", b"certificate", b"key"))
    assert kubeconfig["clusters"][0]["cluster"]["server"] == f"https://{NODE_ADDRESS}:6443"
    assert kubeconfig["current-context"] == "headwater"
    assert base64.b64decode(kubeconfig["users"][0]["user"]["client-key-data"]) == b"key"


def test_only_the_administrator_and_the_api_server_are_masters() -> None:
    masters = {certificate.name for certificate in pki.certificates() if "system:masters" in certificate.subject}
    assert masters == {"admin", "apiserver-kubelet-client"}


def test_containerd_keeps_data_in_the_home_and_streams_on_loopback() -> None:
    config = tomllib.loads(configuration.render(LAYOUT, "pause:1")["containerd.toml"])
    assert config["root"].startswith(str(LAYOUT.root))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["stream_server_address"] == "127.0.0.1"
    assert cri["sandbox_image"] == "pause:1"


def test_pods_reach_nothing_beyond_the_machine_and_nothing_reaches_them() -> None:
    forward = network.packet_rules()["filter", network.FORWARD]
    assert forward.index("-i headwater1 -j REJECT") > forward.index("-i headwater1 -o headwater1 -j ACCEPT")
    assert "-o headwater1 -j REJECT" in forward
    assert network.packet_rules()["filter", network.INPUT][-1] == f"-d {NODE_ADDRESS}/32 -j REJECT"


def test_what_comes_from_elsewhere_is_dropped_before_it_gets_another_destination() -> None:
    """kube-proxy's mark lets a neighbour pass who routes the cluster's addresses to this machine."""
    early = network.packet_rules()["raw", network.PREROUTING]
    assert early[:2] == ("-i lo -j RETURN", "-i headwater1 -j RETURN")
    dropped = {rule.split()[1] for rule in early if rule.endswith("-j DROP")}
    assert dropped == {"127.0.0.0/8", "10.96.0.0/16", "10.244.0.0/16", f"{NODE_ADDRESS}/32"}


def test_removing_our_rules_keeps_the_machines_own() -> None:
    saved = [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":DOCKER-USER - [0:0]",
        ":KUBE-FORWARD - [0:0]",
        ":HEADWATER-INPUT - [0:0]",
        "-A INPUT -j HEADWATER-INPUT",
        "-A INPUT -p tcp --dport 22 -j ACCEPT",
        "-A DOCKER-USER -j RETURN",
        "-A KUBE-FORWARD -j DROP",
        ":CNI-0123456789abcdef01234567 - [0:0]",
        ":CNI-fedcba9876543210fedcba98 - [0:0]",
        '-A POSTROUTING -s 10.244.0.7/32 -m comment --comment "name: \\"headwater\\" id: \\"c\\"" '
        "-j CNI-0123456789abcdef01234567",
        '-A CNI-0123456789abcdef01234567 ! -d 224.0.0.0/4 -m comment --comment "name: \\"headwater\\"" -j MASQUERADE',
        "-A CNI-0123456789abcdef01234567 -d 10.244.0.0/24 -j ACCEPT",
        '-A POSTROUTING -s 10.88.0.4/32 -m comment --comment "name: \\"podman\\"" -j CNI-fedcba9876543210fedcba98',
        "-A CNI-fedcba9876543210fedcba98 -j MASQUERADE",
        "COMMIT",
    ]
    assert network.removal(saved).splitlines() == [
        "*filter",
        "-D INPUT -j HEADWATER-INPUT",
        '-D POSTROUTING -s 10.244.0.7/32 -m comment --comment "name: \\"headwater\\" id: \\"c\\"" '
        "-j CNI-0123456789abcdef01234567",
        "-F KUBE-FORWARD",
        "-F HEADWATER-INPUT",
        "-F CNI-0123456789abcdef01234567",
        "-X KUBE-FORWARD",
        "-X HEADWATER-INPUT",
        "-X CNI-0123456789abcdef01234567",
        "COMMIT",
    ]


def test_rules_of_others_alone_need_no_removal() -> None:
    assert network.removal(["*filter", ":CNI-ADMIN - [0:0]", "-A FORWARD -j CNI-ADMIN", "COMMIT"]) == ""


def test_a_container_is_stopped_with_the_signal_of_its_image() -> None:
    details = {
        "Metadata": {
            "StopSignal": "SIGINT",
            "Config": {"annotations": {"io.kubernetes.pod.terminationGracePeriod": "5"}},
        }
    }
    info = {
        "ID": "db",
        "Labels": {"io.cri-containerd.kind": "container"},
        "Extensions": {"io.cri-containerd.container.metadata": {
            "type_url": "x", "value": base64.b64encode(json.dumps(details).encode()).decode()}},
    }  # fmt: skip
    container = containerd.parse_container(json.dumps(info))
    assert (container.stop_signal, container.grace_s) == ("SIGINT", 5)


def test_a_container_without_a_signal_gets_sigterm() -> None:
    info = {"ID": "c", "Labels": {"io.cri-containerd.kind": "sandbox"}, "Extensions": None}
    container = containerd.parse_container(json.dumps(info))
    assert (container.stop_signal, container.sandbox) == ("SIGTERM", True)


def test_only_mounts_of_the_cluster_are_unmounted_deepest_first() -> None:
    lines = [
        "1 0 8:1 / / rw shared:1 - ext4 /dev/vda rw",
        "2 1 0:2 / /home/cluster/kubelet/pods/a rw - tmpfs tmpfs rw",
        "3 2 0:3 / /home/cluster/kubelet/pods/a/b\\040c rw - tmpfs tmpfs rw",
        "4 1 0:4 / /home/cluster-of-others/x rw - tmpfs tmpfs rw",
        "5 1 0:5 / /home/cluster rw - tmpfs tmpfs rw",
    ]
    below = mounts_below(Path("/home/cluster"), lines)
    assert below == [Path("/home/cluster/kubelet/pods/a/b c"), Path("/home/cluster/kubelet/pods/a")]


def test_a_home_that_is_a_mount_itself_is_found() -> None:
    """`make destroy`, which is `rm -r`, through a mount."""
    lines = [
        "2 1 0:2 / /home/x rw - tmpfs tmpfs rw",
        "3 1 0:3 / /home rw - tmpfs tmpfs rw",
        "4 1 0:4 / /home2 rw - a a rw",
    ]
    assert mounts_below(Path("/home"), lines, itself=True) == [Path("/home/x"), Path("/home")]


def test_manifests_are_complete_and_never_pull_a_system_image() -> None:
    images = {name: SystemImage(name, f"headwater.local/{name}:1", Path("x")) for name in
              ("pause", "coredns", "local-path-provisioner", "busybox")}  # fmt: skip
    documents = list(yaml.safe_load_all(manifests.render(LAYOUT, images)))
    kinds = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    assert kinds["Service", "kube-dns"]["spec"]["clusterIP"] == DNS_ADDRESS
    for name in ("coredns", "local-path-provisioner"):
        [container] = kinds["Deployment", name]["spec"]["template"]["spec"]["containers"]
        assert container["imagePullPolicy"] == "Never"
        assert container["image"] == f"headwater.local/{name}:1"
        assert "memory" in container["resources"]["limits"]
    config = kinds["ConfigMap", "local-path-config"]["data"]
    [entry] = json.loads(config["config.json"])["nodePathMap"]
    assert entry["paths"] == [str(LAYOUT.volumes)]
    assert '"$VOL_DIR"' in config["setup"]


def test_only_containers_that_are_reported_as_running_are_waited_for() -> None:
    statuses = [
        {"containerID": "containerd://aa", "state": {"running": {}}},
        {"containerID": "containerd://bb", "state": {"terminated": {}}},
        {"state": {"waiting": {}}},
    ]
    pods = {"items": [{"status": {"containerStatuses": statuses}}, {"status": {"phase": "Pending"}}]}
    assert status.reported_running(json.dumps(pods)) == {"aa"}
