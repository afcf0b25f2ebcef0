"""The program with workers and logins: what must hold of Trino's resources and of its clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components import lake
from components.secrets import derive
from tests.unit.components import test_program as everywhere
from tests.unit.components.conftest import ROOT_SECRET, SECRET_SIGNATURE, Resource, plain, run_program, stack_config
from tests.unit.components.test_program_secrets import visible

WORKERS = {
    "minimum": 2, "maximum": 6, "memory": "8Gi", "queued_metric": "trino_queued_queries", "drain_seconds": 900,
    "node_selector": {"karpenter.sh/capacity-type": "spot"}, "tolerations": ["spot=true:NoSchedule", "arm64"],
}  # fmt: skip
INSIDE = {"kind": "cluster_ip"}


def scaled(more: dict[str, str] | None = None, **trino: Any) -> list[Resource]:
    config = {
        **stack_config(),
        "headwater:images": '{"builder": "buildah"}',
        "headwater:kubernetes": json.dumps({"exposure": INSIDE}),
        "headwater:trino": json.dumps({"authentication": "password", "workers": WORKERS, **trino}),
        **({} if more is None else more),
    }
    return run_program(config)[0]


@pytest.fixture(scope="module")
def resources() -> list[Resource]:
    return scaled()


def one(resources: list[Resource], kind: str, name: str) -> dict[str, Any]:
    (found,) = [plain(r.inputs) for r in resources if r.kind == kind and r.known_as == name]
    return dict(found)


def pod(resources: list[Resource], name: str) -> dict[str, Any]:
    return dict(one(resources, "Deployment", name)["spec"]["template"]["spec"])


@pytest.mark.parametrize(
    "rule",
    [
        everywhere.test_every_container_has_requests_and_a_memory_limit,
        everywhere.test_every_server_has_three_probes,
        everywhere.test_containers_have_no_privileges,
        everywhere.test_only_dagster_and_what_wakes_it_get_a_token_of_the_cluster,
        everywhere.test_every_served_port_has_a_policy_and_each_namespace_denies_the_rest,
        everywhere.test_policies_name_workloads_that_exist,
        everywhere.test_secret_references_point_to_keys_that_exist,
    ],
    ids=lambda rule: rule.__name__.removeprefix("test_"),
)
def test_the_rules_of_every_stack_hold(resources: list[Resource], rule: Any) -> None:
    """What only larger stacks have would escape what the dev stack is checked for."""
    rule(resources)


def test_the_autoscaler_finds_its_workers(resources: list[Resource]) -> None:
    """A scaler of a name that nobody has scales nothing; a replica count in the Deployment undoes each of its steps."""
    spec = one(resources, "HorizontalPodAutoscaler", "trino-worker")["spec"]
    target = spec["scaleTargetRef"]
    deployment = one(resources, target["kind"], target["name"])["spec"]
    assert "replicas" not in deployment
    assert deployment["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "2"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert [metric["type"] for metric in spec["metrics"]] == ["Resource", "External"]


def test_workers_go_one_at_a_time_and_only_workers(resources: list[Resource]) -> None:
    """A budget that also counts the coordinator, or no pod, lets a node upgrade end all queries at once."""
    selector = one(resources, "PodDisruptionBudget", "trino-worker")["spec"]["selector"]["matchLabels"]
    for name, counted in (("trino-worker", True), ("trino", False)):
        labels = one(resources, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
        assert (selector.items() <= labels.items()) is counted, name


def test_a_worker_has_time_to_drain(resources: list[Resource]) -> None:
    """Killed after Kubernetes' 30 seconds, a worker takes each query of a dashboard with it."""
    spec = pod(resources, "trino-worker")
    (container,) = spec["containers"]
    assert spec["terminationGracePeriodSeconds"] == 900
    assert "SHUTTING_DOWN" in container["lifecycle"]["preStop"]["exec"]["command"][-1]
    assert "NODE_TOKEN" in {variable["name"] for variable in container["env"]}


def test_workers_go_to_the_nodes_meant_for_them(resources: list[Resource]) -> None:
    """A taint read wrongly leaves workers pending; a coordinator on a spot node ends every query when it goes."""
    spec = pod(resources, "trino-worker")
    assert spec["nodeSelector"] == WORKERS["node_selector"]
    assert spec["tolerations"] == [
        {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
        {"key": "arm64", "operator": "Exists"},
    ]
    zones = {constraint["topologyKey"] for constraint in spec["topologySpreadConstraints"]}
    assert "topology.kubernetes.io/zone" in zones
    coordinator = pod(resources, "trino")
    assert "tolerations" not in coordinator
    assert "nodeSelector" not in coordinator


def test_plain_http_is_for_nodes_and_https_for_clients(resources: list[Resource]) -> None:
    """A client that reaches the nodes' port meets Trino without its login page, and a worker without any."""
    reached: dict[str, set[tuple[int, str]]] = {}
    for resource in resources:
        if resource.kind == "NetworkPolicy" and resource.known_as.startswith("trino"):
            spec = plain(resource.inputs)["spec"]
            part = spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in spec["ingress"]:
                names = {n for peer in rule["from"] for n in peer["podSelector"]["matchExpressions"][0]["values"]}
                reached.setdefault(part, set()).update((port["port"], n) for port in rule["ports"] for n in names)
    assert reached == {"server": {(8443, "dagster"), (8443, "superset"), (8080, "trino")}, "worker": {(8080, "trino")}}


def test_services_lead_to_ports_that_containers_have(resources: list[Resource]) -> None:
    """A Service that names a missing port has no endpoints: workers never join, or clients never connect."""
    for name, port in (("trino", 8443), ("trino-nodes", 8080)):
        (served,) = one(resources, "Service", name)["spec"]["ports"]
        (container,) = pod(resources, "trino")["containers"]
        assert {"name": served["targetPort"], "containerPort": port} in container["ports"], name
    worker = one(resources, "ConfigMap", "trino-worker")["data"]["config.properties"]
    assert "discovery.uri=http://trino-nodes:8080\n" in worker


@pytest.mark.parametrize("name", ["trino", "trino-worker"])
def test_every_file_is_mounted_and_every_variable_set(resources: list[Resource], name: str) -> None:
    """Trino stops at the first variable that is not set, in a crash loop after everything else is up."""
    (container,) = pod(resources, name)["containers"]
    data = one(resources, "ConfigMap", name)["data"]
    (files,) = [v["configMap"]["items"] for v in pod(resources, name)["volumes"] if v["name"] == "configuration"]
    assert {item["key"] for item in files} == set(data)
    variables = {variable["name"] for variable in container["env"]}
    for text in data.values():
        for named in [part.split("}")[0] for part in text.split("${ENV:")[1:]]:
            assert named in variables, named
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/etc/trino", "/var/lib/trino", "/var/spill/trino"} <= mounted
    assert ("/run/secrets/trino" in mounted) is (name == "trino"), "workers need no passwords"


def test_clients_log_in_over_https(resources: list[Resource]) -> None:
    """A client left on plain HTTP gets no connection; one without the certificate tempts people to skip the check."""
    public = one(resources, "ConfigMap", "trino-certificate")["data"]["trino.pem"]
    assert public.startswith("-----BEGIN CERTIFICATE")
    environment = one(resources, "ConfigMap", "dagster-environment")["data"]
    for name in ("superset", "dagster-code"):
        spec = pod(resources, name)
        (container,) = spec["containers"]
        own = {v["name"]: v.get("value") for v in container.get("env", [])} or environment
        assert own["TRINO_HTTP_SCHEME"] == "https"
        assert own["TRINO_PORT"] == "8443"
        folder, _, file = own["TRINO_CA"].rpartition("/")
        (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == folder]
        (volume,) = [v for v in spec["volumes"] if v["name"] == mount["name"]]
        assert volume["configMap"]["name"] == "trino-certificate"
        assert file in {item["path"] for item in volume["configMap"]["items"]}
    assert one(resources, "Secret", "dagster-environment")["stringData"]["TRINO_PASSWORD"] == derive(
        ROOT_SECRET, "trino-dbt"
    )
    assert one(resources, "Secret", "superset-credentials")["stringData"]["trino-password"] == derive(
        ROOT_SECRET, "trino-superset"
    )


def test_no_part_of_a_login_is_readable_in_the_state(resources: list[Resource]) -> None:
    """A private key or hash in a ConfigMap is everyone's; in the state it is every reviewer's."""
    names = [f"trino-{user}{part}" for user in lake.USERS for part in ("", "-salt")] + ["trino-certificate"]
    secrets = {derive(ROOT_SECRET, name) for name in [*names, "trino-shared-secret"]}
    for resource in resources:
        text = "\n".join(visible(resource.inputs))
        assert not [secret for secret in secrets if secret in text], resource.name
        assert "PRIVATE KEY" not in text, resource.name
        assert "eyJ" not in text, resource.name
    (login,) = [r for r in resources if r.kind == "Secret" and r.known_as == "trino-login"]
    values = login.inputs["stringData"]
    assert SECRET_SIGNATURE in values or all(SECRET_SIGNATURE in value for value in values.values())
    assert "PRIVATE KEY" in plain(values)["keystore.pem"]


def test_nothing_changes_from_run_to_run(resources: list[Resource]) -> None:
    """What differs without a cause restarts Trino at every `pulumi up`."""
    again = {(r.type, r.name): plain(r.inputs) for r in scaled()}
    assert again == {(r.type, r.name): plain(r.inputs) for r in resources}


@pytest.mark.parametrize(
    ("credential", "rolled"),
    [
        ("trino-dbt", {"trino", "dagster-code", "dagster-webserver", "dagster-daemon"}),
        ("trino-superset", {"trino", "superset"}),
        ("trino-certificate", {"trino"}),
        ("trino-shared-secret", {"trino", "trino-worker"}),
    ],
)
def test_a_rotated_credential_rolls_who_holds_it(resources: list[Resource], credential: str, rolled: set[str]) -> None:
    """A server that keeps the old password refuses its clients until someone restarts it by hand."""

    def hashes(made: list[Resource]) -> dict[str, Any]:
        templates = {r.known_as: plain(r.inputs)["spec"]["template"] for r in made if r.kind == "Deployment"}
        return {name: template["metadata"]["annotations"] for name, template in templates.items()}

    before, after = hashes(resources), hashes(scaled({"headwater:generations": json.dumps({credential: 2})}))
    assert {name for name in before if before[name] != after[name]} == rolled


def test_workers_do_without_logins_and_logins_without_workers() -> None:
    """The two settings are independent; what one leaves out must not be asked for by the other."""
    choices: tuple[dict[str, Any], ...] = ({"authentication": "none"}, {"workers": {}})
    for chosen in choices:
        resources = scaled(**chosen)
        everywhere.test_secret_references_point_to_keys_that_exist(resources)
        everywhere.test_every_served_port_has_a_policy_and_each_namespace_denies_the_rest(resources)
        made = {r.known_as for r in resources if r.kind == "Deployment"}
        assert ("trino-worker" in made) is ("workers" not in chosen)
        logins = [r for r in resources if r.kind == "Secret" and r.known_as == "trino-login"]
        assert bool(logins) is ("authentication" not in chosen)
