"""What somebody tries who does not belong: each refusal beside something alike that is allowed."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from typing import Any

import pytest

from localstack.cluster.layout import API_PORT, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK

from .endpoints import Dagster, Endpoints
from .test_data import rows

ours = pytest.mark.skipif("HEADWATER_KUBE_CONTEXT" in os.environ, reason="that cluster is the user's own")
NEIGHBOUR, LINK, FAR_END = "headwater-test", "hwtest0", "hwtest1"
# Of a network that is kept for tests between devices.
MACHINE, ADDRESS = "198.18.0.1", "198.18.0.2"
TRY = """
import concurrent.futures, json, socket, sys
def reached(place):
    try: socket.create_connection(tuple(place), 5).close(); return True
    except OSError: return False
places = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(len(places)) as pool: print(json.dumps([*pool.map(reached, places)]))
"""


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True, timeout=30)


@pytest.fixture
def neighbour() -> Iterator[Callable[[list[tuple[str, int]]], list[bool]]]:
    """A machine on the same network, which sends the cluster's addresses to this one: which places it reaches."""
    inside = ("netns", "exec", NEIGHBOUR)
    ip("netns", "add", NEIGHBOUR)
    try:
        ip("link", "add", LINK, "type", "veth", "peer", "name", FAR_END, "netns", NEIGHBOUR)
        ip("address", "add", f"{MACHINE}/30", "dev", LINK)
        ip("link", "set", LINK, "up")
        ip("-n", NEIGHBOUR, "address", "add", f"{ADDRESS}/30", "dev", FAR_END)
        ip("-n", NEIGHBOUR, "link", "set", FAR_END, "up")
        for network in (SERVICE_NETWORK, POD_NETWORK, f"{NODE_ADDRESS}/32"):
            ip("-n", NEIGHBOUR, "route", "add", network, "via", MACHINE)
        # 127.0.0.1 is no address of its own, but one that is sent on (CVE-2020-8558).
        switches = ["net.ipv4.conf.all.route_localnet=1", f"net.ipv4.conf.{FAR_END}.route_localnet=1"]
        ip(*inside, "sysctl", "-qw", *switches)
        ip("-n", NEIGHBOUR, "route", "add", "127.0.0.1/32", "via", MACHINE, "dev", FAR_END, "src", ADDRESS)

        def reached(places: list[tuple[str, int]]) -> list[bool]:
            argv = ["ip", *inside, sys.executable, "-c", TRY, json.dumps(places)]
            done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120)
            found: list[bool] = json.loads(done.stdout)
            return found

        yield reached
    finally:
        ip("link", "delete", LINK, check=False)
        ip("netns", "delete", NEIGHBOUR)


@pytest.fixture
def own_server(neighbour: object) -> Iterator[int]:
    """The port of a server of this machine that is open to its neighbour."""
    server = HTTPServer((MACHINE, 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@ours
def test_a_neighbour_on_the_network_reaches_nothing_of_the_cluster(
    neighbour: Callable[[list[tuple[str, int]]], list[bool]], own_server: int, kubectl: Callable[..., Any]
) -> None:
    """kube-proxy lets everybody pass who sends to a service's address: every table, and Dagster's page, for the LAN."""
    places: list[tuple[str, int]] = [(NODE_ADDRESS, API_PORT)]
    for service in kubectl("get", "services", "--all-namespaces")["items"]:
        for port in service["spec"]["ports"]:
            if service["spec"]["clusterIP"] != "None" and port.get("protocol", "TCP") == "TCP":
                places.append((service["spec"]["clusterIP"], port["port"]))
            if "nodePort" in port:
                places.append(("127.0.0.1", port["nodePort"]))
    for pod in kubectl("get", "pods", "--namespace", "headwater", "--selector", "app.kubernetes.io/name=trino")[
        "items"
    ]:
        places.append((pod["status"]["podIP"], 8080))
    assert len({host for host, _ in places}) > 5
    *found, twin = neighbour([*places, (MACHINE, own_server)])
    assert twin, "the neighbour reaches nothing at all: this test tells nothing"
    assert [place for place, reached in zip(places, found, strict=True) if reached] == []


def asked(endpoints: Endpoints, path: str, body: str | None = None, **headers: str) -> int:
    """Return Trino's status for a request over HTTPS without its certificate being checked, as an attacker asks."""
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(endpoints.trino_host, endpoints.trino_port, context=anyone, timeout=30)
    connection.request("GET" if body is None else "POST", path, body, headers)
    return connection.getresponse().status


def test_a_local_user_reads_nothing_from_trino(endpoints: Endpoints, connect: Callable[..., Any]) -> None:
    """Every user of the machine reads and drops every table with nothing but a name."""
    assert rows(connect("developer"), "select count(*) from raw.orders") > [(0,)], "who logs in gets in"
    for user in ("admin", "dbt", "superset", "root"):
        name = {"X-Trino-User": user}
        guessed = {"Authorization": f"Basic {base64.b64encode(f'{user}:{user}'.encode()).decode()}"}
        for headers in (name, guessed, name | guessed):
            assert asked(endpoints, "/v1/statement", "drop table lake.raw.orders", **headers) == 401, headers
    for path in ("/v1/query", "/v1/jmx/mbean", "/v1/thread", "/metrics", "/ui/api/query"):
        assert asked(endpoints, path, **{"X-Trino-User": "admin"}) in {401, 403, 404}, path


@ours
@pytest.mark.parametrize("port", [8080, 8443])
def test_a_pod_reads_nothing_from_trino(kubectl: Callable[..., Any], port: int) -> None:
    """The source's pods belong to other people; on this cluster no policy keeps them from Trino's ports."""
    script = (
        "import ssl, sys, urllib.request, urllib.error\n"
        "scheme = 'https' if sys.argv[1] == '8443' else 'http'\n"
        "request = urllib.request.Request(f'{scheme}://trino:{sys.argv[1]}/v1/statement', b'select 1')\n"
        "request.add_header('X-Trino-User', 'admin')\n"
        "try: print(urllib.request.urlopen(request, context=ssl._create_unverified_context()).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
        "except OSError as error: print(error)\n"
    )
    said = kubectl(
        "exec", "-n", "headwater", "deploy/dagster-daemon", "--", "python", "-c", script, str(port), output=""
    )
    assert said.strip() in {"401", "403"} or "refused" in said or "timed out" in said, said


def pod_of_its_own(container: dict[str, Any]) -> dict[str, str]:
    """The tag of a run that asks for another container."""
    return {"dagster-k8s/config": json.dumps({"container_config": container})}


def test_a_run_does_not_choose_its_pod(dagster: Dagster, kubectl: Callable[..., Any]) -> None:
    """Whoever sees Dagster's page reads every Secret of the namespace, by a tag of a run."""
    larger = {"resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}}
    dagster.wait(dagster.launch("maintain_models", pod_of_its_own(larger)))
    thief = {"command": ["env"], "env_from": [{"secret_ref": {"name": "postgres-credentials"}}]}
    run = dagster.launch("maintain_models", pod_of_its_own(thief))
    with pytest.raises(AssertionError, match="violated the allowed list"):
        dagster.wait(run)
    assert kubectl("get", "jobs", "--namespace", "headwater", "--selector", f"dagster/run-id={run}")["items"] == []
