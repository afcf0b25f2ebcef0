"""`make` asks the stack: what its settings say is where every command looks."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from cli import main as cli
from cli.commands import env
from cli.platform import endpoints
from cli.platform.kube import Kube
from cli.preflight import machine
from components.trino import login
from localstack.errors import LocalError, UsageError
from localstack.home import Home

CHANGED = {
    "kubernetes": {
        "namespace": "lakehouse",
        "exposure": {"kind": "node_port", "ports": {"superset": 31088, "dagster": 31070}},
    },
    "example": {"namespace": "shopping"},
    "trino": {"authentication": "password"},
    "storage": {"bucket": "pond"},
}
"""Settings of the stack `qa` of these tests: all that a command may get wrong."""
KUBECTL = """#!/bin/sh
folder=$(dirname "$0")
echo "$KUBECONFIG $*" >>"$folder/arguments"
case "$*" in
    *"get cronjob/"*) echo '{"kind": "CronJob", "metadata": {"namespace": "any"}, "spec": {"jobTemplate": {"spec":
        {"template": {"spec": {"containers": [{"name": "c"}]}}}}}}' ;;
    *"get pods "*) echo '{"kind": "List", "items": [{"metadata": {"name": "p", "namespace": "lakehouse",
        "labels": {"app.kubernetes.io/name": "trino"}}, "status": {"phase": "Succeeded"}}]}' ;;
    *"get pod/"*) echo '{"kind": "Pod", "status": {"containerStatuses": [
        {"state": {"terminated": {"exitCode": 0}}}]}}' ;;
    *"get events "*) echo '{"kind": "List", "items": []}' ;;
    *"get configmap/trino-certificate"*) cat "$folder/configmap" ;;
    *"get secret "*) echo aHVzaA== ;;
    *port-forward*) echo "Forwarding from 127.0.0.1:$(cat "$folder/port") -> 1"; exec sleep 60 ;;
esac
"""


def qa(folder: Path, **changed: object) -> dict[str, Path]:
    """Return the stack files of a checkout whose only stack is `qa`."""
    file = folder / "Pulumi.qa.yaml"
    file.write_text(yaml.safe_dump({"config": {f"headwater:{name}": each for name, each in changed.items()}}))
    return {"qa": file}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a kubectl that answers as a cluster would; returns the file with what it was told."""
    home = Home(tmp_path)
    home.create()
    home.kubeconfig.write_text("")
    (home.bin / "kubectl").write_text(KUBECTL)
    (home.bin / "kubectl").chmod(0o755)
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    monkeypatch.delenv("HEADWATER_KUBE_CONTEXT", raising=False)
    files = qa(tmp_path, **CHANGED)
    monkeypatch.setattr(endpoints, "stack_files", lambda _: files)
    return home.bin / "arguments"


def test_every_setting_decides_where_the_commands_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack with other ports or names: `make status` and the check of `make up` look where nothing is."""
    files = qa(tmp_path, **CHANGED)
    monkeypatch.setattr(endpoints, "stack_files", lambda _: files)
    found = endpoints.load("qa", {})
    assert found.namespaces == ("lakehouse", "shopping")
    assert (found.context, found.login, found.lake) == (None, True, "pond")
    assert found.endpoint("superset").url() == "http://127.0.0.1:31088/"
    assert found.endpoint("shop").namespace == "shopping"
    assert found.endpoint("trino").address(1) == "https://127.0.0.1:1"
    assert [each.name for each in found.forwarded] == ["trino", "shop"]
    assert machine.ports(found, registry=True, cluster=False) == {5000: True, 6443: False, 31088: False, 31070: False}
    assert found.minio is not None
    assert found.minio.namespace == "lakehouse"
    assert found.make("logs c=trino") == "make logs c=trino s=qa"


def test_the_check_of_the_machine_looks_at_the_stacks_ports(told: Path) -> None:
    """A check that ends in a traceback, or one of ports that this stack does not take."""
    found = machine.check(Home(told.parents[1]), endpoints.load("qa", {}), registry=True, cluster=False, first=False)
    (ports,) = [each.value for each in found if each.what == "ports"]
    assert "31088" in ports
    assert "30088" not in ports


@pytest.mark.parametrize(
    ("words", "looked"),
    [
        (["logs", "--component=trino"], "logs -n lakehouse -l app.kubernetes.io/name=trino"),
        (["dbt", "--arguments=build"], "exec -n lakehouse deploy/dagster-code"),
        (["meltano", "--arguments=state list"], "get cronjob/ingestion -n lakehouse"),
        (["quarantine", "--replay=orders"], "get cronjob/ingestion -n lakehouse"),
        (["shop", "--orders=1"], "get cronjob/shop-live -n shopping"),
        (["password"], "get secret superset-credentials -n lakehouse"),
    ],
)
def test_commands_look_in_the_stacks_namespaces(told: Path, words: list[str], looked: str) -> None:
    """A command that looks in `headwater` while the stack's namespace is another."""
    assert cli.main([*words, "--stack=qa"]) == 0
    assert looked in told.read_text()


@pytest.mark.parametrize("name", ["dev", "localstack"])
def test_the_stacks_of_this_machine_are_at_their_node_ports(name: str) -> None:
    """A port-forward for each command where a port of this machine does."""
    found = endpoints.load(name, {})
    assert (found.context, found.forwarded) == (None, ())
    assert [each.url() for each in found.endpoints] == [
        "http://127.0.0.1:30088/", "http://127.0.0.1:30070/", "https://127.0.0.1:30080/ui/",
        "postgresql://127.0.0.1:30432/shop",
    ]  # fmt: skip
    assert (found.minio is None) == (name == "localstack")


def test_a_stack_on_eks_is_another_cluster_with_logins(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make status s=prod` that shows the dev stack, or asks this machine's cluster."""
    monkeypatch.undo()
    home, eks = Home(told.parents[1]), "arn:aws:eks:eu-central-1:444455556666:cluster/headwater-prod"
    kube = Kube(home, endpoints.load("prod", {"HEADWATER_KUBE_CONTEXT": "kind"}))
    assert (kube.platform.context, kube.platform.example, kube.platform.login) == (eks, None, True)
    assert kube.platform.lake == "headwater-prod-lake-444455556666"
    assert kube.argv("get", "pods")[1:] == ["--context", eks, "get", "pods"]
    assert [each.name for each in kube.platform.forwarded] == ["superset", "dagster", "trino"]
    with pytest.raises(UsageError, match="prod has no example company"):
        assert kube.platform.company
    # After `eval "$(make -s env)"` of dev, whose kubeconfig has no such context.
    monkeypatch.setenv("KUBECONFIG", str(home.kubeconfig))
    assert "KUBECONFIG" not in kube.environment()
    (home.bin / "kubectl").write_text("#!/bin/sh\necho 'error: context does not exist' >&2\nexit 1\n")
    with pytest.raises(LocalError, match="aws eks update-kubeconfig --name headwater-prod --region eu-central-1"):
        kube.require()


def test_a_load_balancer_is_where_its_pages_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port-forward to a page that people reach at an address."""
    settings = yaml.safe_load((Path(__file__).parents[3] / "Pulumi.prod.yaml").read_text())
    provider = "https://login.example.com"
    settings["config"]["headwater:serving"] = {
        "kind": "load_balancer", "domain": "data.example.com", "zone": "Z0123456789ABC", "allow": ["198.51.100.0/24"],
        "oidc": {
            "issuer": provider, "authorization_endpoint": f"{provider}/a", "token_endpoint": f"{provider}/t",
            "userinfo_endpoint": f"{provider}/u", "superset_client": "s", "dagster_client": "d",
            "roles": {"everybody": "viewer"},
        },
    }  # fmt: skip
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(endpoints, "stack_files", lambda _: {"prod": file})
    found = endpoints.load("prod", {})
    assert found.endpoint("superset").url() == "https://superset.data.example.com/"
    assert [each.name for each in found.forwarded] == ["trino"]


class Answering(BaseHTTPRequestHandler):
    """A Trino that knows one login, over HTTPS alone, and one answer."""

    def do_POST(self) -> None:
        known = base64.b64encode(b"admin:hush").decode()
        good = self.headers["Authorization"] == f"Basic {known}"
        column = {"name": "n", "type": "integer", "typeSignature": {"rawType": "integer", "arguments": []}}
        stats = {"state": "FINISHED"}
        answer = {"id": "1", "infoUri": "http://i", "columns": [column], "data": [[42]], "stats": stats}
        body = json.dumps(answer).encode() if good else b""
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def trino(told: Path, tmp_path: Path) -> Iterator[None]:
    """Trino with a login behind the port that kubectl forwards, and the deployed stack's outputs."""
    made = login.certificate("0" * 64, "trino", "lakehouse")
    (tmp_path / "keystore.pem").write_text(made.keystore)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "keystore.pem")
    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (told.parent / "port").write_text(str(server.server_port))
    trusted = {"kind": "ConfigMap", "data": {"trino.pem": made.public}}
    (told.parent / "configmap").write_text(json.dumps(trusted))
    outputs = json.dumps({"trino_passwords": {"admin": "hush", "superset": "wrong"}})
    (told.parent / "pulumi").write_text(f"#!/bin/sh\necho \"$*\" >>{told}\necho '{outputs}'\n")
    (told.parent / "pulumi").chmod(0o755)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("trino")
def test_a_query_logs_in_where_the_stack_asks_for_it(
    told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make trino` that speaks plain HTTP to a stack with logins, sends the password to whoever answers, or trusts
    the shell's REQUESTS_CA_BUNDLE in place of the stack's certificate.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    assert cli.main(["trino", "--query=select n", "--stack=qa"]) == 0
    assert capsys.readouterr().out == "42\n"
    asked = told.read_text()
    assert "port-forward -n lakehouse service/trino :https" in asked
    assert "stack output --json --show-secrets --stack qa" in asked
    assert cli.main(["trino", "--query=select n", "--stack=qa", "--user=superset"]) == 1
    assert "error 401" in capsys.readouterr().err
    assert cli.main(["trino", "--query=select n", "--stack=qa", "--user=bob"]) == 2
    shown = capsys.readouterr().err
    assert "u='bob' is not known; allowed: admin, superset" in shown
    assert "hush" not in asked + shown
    (told.parent / "pulumi").write_text("#!/bin/sh\necho '{}'\n")
    assert cli.main(["trino", "--query=select n", "--stack=qa"]) == 1
    assert "stack qa was deployed without logins" in capsys.readouterr().err


def test_a_stack_that_is_not_there_or_is_wrong_is_told(
    told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback of the settings, or a command that does its work on dev."""
    assert cli.main(["status", "--stack=nope"]) == 2
    assert "s='nope' is not known; allowed: qa" in capsys.readouterr().err
    files = qa(told.parent, kubernetes={"namespace": "Lake House"})
    monkeypatch.setattr(endpoints, "stack_files", lambda _: files)
    assert cli.main(["status", "--stack=qa"]) == 1
    assert "Pulumi.qa.yaml: wrong settings" in capsys.readouterr().err


def test_a_context_that_the_stacks_file_names_is_used_for_all(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is made beside the one that the file names; or `pulumi` that looks for it in our kubeconfig."""
    files = {"dev": qa(told.parent, kubernetes={"context": "kind-x"})["qa"]}
    monkeypatch.setattr(endpoints, "stack_files", lambda _: files)
    monkeypatch.setenv("HEADWATER_KUBE_CONTEXT", "set, so that monkeypatch puts it back")
    home = Home(told.parents[1])
    kube = Kube.of(home, "dev")
    assert kube.platform.context == "kind-x"
    assert home.environment()["HEADWATER_KUBE_CONTEXT"] == "kind-x"
    assert machine.ports(kube.platform, registry=False, cluster=False) == {5000: False}


def test_plain_tools_mean_the_stack_of_make_env(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl on the cluster of the shell's last command, and Pulumi with the state of dev, after `make env s=prod`."""
    monkeypatch.undo()
    home = Home(told.parents[1])
    monkeypatch.setenv("KUBECONFIG", "/home/u/config")
    kube = Kube(home, endpoints.load("prod", {}))
    before = {"PULUMI_BACKEND_URL": f"file://{home.state}", "KUBECONFIG": str(home.kubeconfig)}
    lines = env.lines(kube, before)
    first = home.state / "kubectl-prod"
    assert f"export KUBECONFIG={first}:/home/u/config" in lines
    assert json.loads(first.read_text())["current-context"] == kube.platform.context
    assert "unset PULUMI_BACKEND_URL" in lines
    assert "export PULUMI_STACK=prod" in lines
    assert not [line for line in lines if line.startswith("export PULUMI_CONFIG")]
    # A second time changes nothing.
    monkeypatch.setenv("KUBECONFIG", f"{first}:/home/u/config")
    assert f"export KUBECONFIG={first}:/home/u/config" in env.lines(kube, {})
    dev = Kube(home, endpoints.load("dev", {}))
    assert "export PULUMI_STACK=dev" in env.lines(dev, {"PULUMI_STACK": "prod"})
    assert not [line for line in env.lines(dev, {}) if "PULUMI_STACK=" in line]
