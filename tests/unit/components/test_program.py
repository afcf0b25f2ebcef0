"""The whole dev program: what must hold of every resource it makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from review.recorder import DIGEST
from tests.unit.components.conftest import (
    ROOT,
    Resource,
    plain,
    run_program,
    stack_config,
)

WORKLOADS = {"Deployment", "StatefulSet", "Job", "CronJob"}


def pod_specs(resources: list[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in resources:
        if resource.kind in WORKLOADS:
            spec = plain(resource.inputs)["spec"]
            if resource.kind == "CronJob":
                spec = spec["jobTemplate"]["spec"]
            yield f"{resource.kind}/{resource.known_as}", spec["template"]["spec"]


def containers(resources: list[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, spec in pod_specs(resources):
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            yield f"{name}/{container['name']}", container


def test_the_platform_is_complete(resources: list[Resource]) -> None:
    """A component that nobody calls any more would leave a hole that no other test sees."""
    made = {f"{resource.kind}/{resource.known_as}" for resource in resources if resource.kind in WORKLOADS}
    assert made == {
        "StatefulSet/postgres", "StatefulSet/minio", "StatefulSet/shop",
        "Deployment/catalog", "Deployment/trino", "Deployment/superset",
        "Deployment/dagster-webserver", "Deployment/dagster-daemon", "Deployment/dagster-code",
        "Deployment/saas",
        "Job/postgres-init", "Job/minio-init", "Job/superset-init", "Job/shop-seed", "Job/shop-init",
        "CronJob/ingestion", "CronJob/shop-live",
    }  # fmt: skip


def test_objects_are_of_stable_versions_of_their_apis(resources: list[Resource]) -> None:
    """An upgrade of the cluster that stops serving a beta version leaves objects that nobody can change any more."""
    for resource in resources:
        if resource.type.startswith("kubernetes:"):
            version = resource.type.split(":")[1].rsplit("/", 1)[-1]
            assert re.fullmatch(r"v[0-9]+", version), f"{resource.type} {resource.name}"


def test_images_are_named_by_digest(resources: list[Resource]) -> None:
    """A tag can be moved: two nodes, or two days, would run different bits under one name."""
    for name, container in containers(resources):
        assert container["image"].endswith(f"@{DIGEST}"), f"{name} runs {container['image']}"
        assert ":latest" not in container["image"]


def test_every_container_has_requests_and_a_memory_limit(resources: list[Resource]) -> None:
    """Without a limit one query takes the node's memory and the kernel picks the victim."""
    for name, container in containers(resources):
        assert set(container["resources"]["requests"]) >= {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name


def test_every_server_has_three_probes(resources: list[Resource]) -> None:
    """A hung server stays in its Service for ever, and `pulumi up` ends before it can be used."""
    for name, container in containers(resources):
        if name.startswith(("Deployment", "StatefulSet")):
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name


def test_containers_have_no_privileges(resources: list[Resource]) -> None:
    """A broken-into container must not become root, gain capabilities or change its own programs."""
    for name, spec in pod_specs(resources):
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, container in containers(resources):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name


def test_only_dagster_and_what_wakes_it_get_a_token_of_the_cluster(resources: list[Resource]) -> None:
    """A token in every pod turns each hole into one in the whole namespace."""
    with_token = {"CronJob/sleep", "CronJob/wake"}
    for name, spec in pod_specs(resources):
        assert spec["serviceAccountName"], name
        assert spec["serviceAccountName"] != "default", name
        assert spec["automountServiceAccountToken"] is ("/dagster-" in name or name in with_token), name


def test_pods_may_only_handle_what_is_theirs(resources: list[Resource]) -> None:
    """A cluster role, a wildcard or access to Secrets would give a pipeline's code the whole platform."""
    assert not [r for r in resources if r.type.startswith("kubernetes:") and r.kind.startswith("Cluster")]
    found = [plain(r.inputs) for r in resources if r.type.endswith(":Role") and r.type.startswith("kubernetes:")]
    rules = {role["metadata"]["name"]: role["rules"] for role in found}
    assert set(rules) <= {"dagster", "sleeper"}
    granted = {kind for each in rules.values() for rule in each for kind in rule["resources"]}
    # Who may change a Deployment can run anything, as any service account of the namespace.
    assert not granted & {"secrets", "deployments", "pods/exec", "roles", "serviceaccounts"}
    assert "*" not in json.dumps(rules)


def test_node_ports_are_only_those_of_the_stack_file(resources: list[Resource]) -> None:
    """A service that slips to NodePort or LoadBalancer is open to whoever reaches the node."""
    exposed = {}
    for resource in resources:
        if resource.kind == "Service":
            spec = plain(resource.inputs)["spec"]
            assert spec["type"] in {"ClusterIP", "NodePort"}
            if spec["type"] == "NodePort":
                exposed[resource.known_as] = spec["ports"][0]["nodePort"]
    assert exposed == json.loads(stack_config()["headwater:kubernetes"])["exposure"]["ports"]


def test_every_served_port_has_a_policy_and_each_namespace_denies_the_rest(resources: list[Resource]) -> None:
    """Without a policy of its own a workload is unreachable where policies hold; without the denial all is open."""
    policies = [plain(r.inputs) for r in resources if r.kind == "NetworkPolicy"]
    denials = {p["metadata"]["namespace"] for p in policies if not p["spec"]["podSelector"]}
    assert denials == {"headwater", "petco"}
    allowed = {json.dumps(p["spec"]["podSelector"].get("matchLabels"), sort_keys=True) for p in policies}
    for resource in resources:
        if resource.kind == "Service":
            assert json.dumps(plain(resource.inputs)["spec"]["selector"], sort_keys=True) in allowed, resource.name


def test_policies_name_workloads_that_exist(resources: list[Resource]) -> None:
    """A peer spelled wrong shuts out a client, and only on clusters that enforce policies."""
    names = set()
    for resource in resources:
        if resource.kind in WORKLOADS:
            names.add(plain(resource.inputs)["metadata"]["labels"]["app.kubernetes.io/name"])
    for resource in resources:
        if resource.kind == "NetworkPolicy":
            for rule in plain(resource.inputs)["spec"].get("ingress", []):
                for peer in rule.get("from", []):
                    assert "ipBlock" in peer or (set(peer["podSelector"]["matchExpressions"][0]["values"]) <= names), (
                        resource.name
                    )


def test_the_catalog_is_open_to_trino_and_ingestion_only(resources: list[Resource]) -> None:
    """Whoever reaches the catalog with its token can drop every table."""
    (policy,) = [plain(r.inputs) for r in resources if r.kind == "NetworkPolicy" and r.known_as == "catalog"]
    peers = [v for rule in policy["spec"]["ingress"] for peer in rule["from"]
             for v in peer["podSelector"]["matchExpressions"][0]["values"]]  # fmt: skip
    assert sorted(peers) == ["ingestion", "trino"]


def test_within_the_cluster_only_nothing_is_open_to_all() -> None:
    """An empty list of sources in a policy means everyone: Superset would be open to every pod."""
    inside = {
        "headwater:images": '{"builder": "buildah"}',
        "headwater:kubernetes": '{"exposure": {"kind": "cluster_ip"}}',
    }
    resources, exported = run_program({**stack_config(), **inside})
    assert not [r for r in resources if r.kind == "Service" and plain(r.inputs)["spec"]["type"] != "ClusterIP"]
    for resource in resources:
        if resource.kind == "NetworkPolicy":
            for rule in plain(resource.inputs)["spec"].get("ingress", []):
                assert rule["from"], resource.name
    assert exported["dashboard"] == "http://superset.headwater:8088"


def test_secret_references_point_to_keys_that_exist(resources: list[Resource]) -> None:
    """A renamed key leaves a pod in CreateContainerConfigError, long after the review."""
    keys = {
        (plain(r.inputs)["metadata"]["namespace"], r.known_as): set(plain(r.inputs)["stringData"])
        for r in resources
        if r.kind == "Secret"
    }
    config = {(plain(r.inputs)["metadata"]["namespace"], r.known_as) for r in resources if r.kind == "ConfigMap"}
    namespaces = {
        f"{r.kind}/{r.known_as}": plain(r.inputs)["metadata"]["namespace"] for r in resources if r.kind in WORKLOADS
    }
    for name, spec in pod_specs(resources):
        space = namespaces[name]
        for container in spec["containers"]:
            for variable in container.get("env", []):
                if "valueFrom" in variable:
                    source = variable["valueFrom"]["secretKeyRef"]
                    assert source["key"] in keys[space, source["name"]], f"{name} {variable['name']}"
            for source in container.get("envFrom", []):
                if "secretRef" in source:
                    assert (space, source["secretRef"]["name"]) in keys, name
                else:
                    assert (space, source["configMapRef"]["name"]) in config, name
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                wanted = {item["key"] for item in volume["secret"]["items"]}
                assert wanted <= keys[space, volume["secret"]["secretName"]], f"{name} {volume['name']}"


def test_objects_carry_the_labels_that_people_select_by(resources: list[Resource]) -> None:
    """`kubectl get pods -l app.kubernetes.io/name=trino` and `make logs c=trino` find nothing without them."""
    wanted = {
        f"app.kubernetes.io/{part}" for part in ("name", "instance", "component", "part-of", "managed-by", "version")
    }
    for resource in resources:
        if resource.kind in WORKLOADS | {"Service", "Secret", "ConfigMap", "ServiceAccount"}:
            labels = plain(resource.inputs)["metadata"]["labels"]
            assert wanted <= set(labels), resource.name
            assert labels["app.kubernetes.io/part-of"] == "headwater"


def test_a_deployment_selects_only_its_own_pods(resources: list[Resource]) -> None:
    """Two workloads with one selector adopt or serve each other's pods."""
    selectors = [
        (plain(r.inputs)["metadata"]["namespace"], json.dumps(plain(r.inputs)["spec"]["selector"], sort_keys=True))
        for r in resources
        if r.kind in {"Deployment", "StatefulSet"}
    ]
    assert len(selectors) == len(set(selectors))


def test_volumes_outlive_their_statefulset(resources: list[Resource]) -> None:
    """A replaced StatefulSet would take the lake with it."""
    for resource in resources:
        if resource.kind == "StatefulSet":
            policy = plain(resource.inputs)["spec"]["persistentVolumeClaimRetentionPolicy"]
            assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}, resource.name


def test_jobs_do_not_expire(resources: list[Resource]) -> None:
    """A Job that the cluster removes by itself is a difference in every later preview."""
    for resource in resources:
        if resource.kind == "Job":
            assert "ttlSecondsAfterFinished" not in plain(resource.inputs)["spec"], resource.name


def test_templates_never_run_by_themselves(resources: list[Resource]) -> None:
    """Dagster starts ingestion; a CronJob that runs too would load everything twice."""
    for resource in resources:
        if resource.kind == "CronJob":
            assert plain(resource.inputs)["spec"]["suspend"] is True, resource.name


def test_nothing_skips_the_wait(resources: list[Resource]) -> None:
    """With skipAwait `pulumi up` would end before anything runs."""
    for resource in resources:
        assert "skipAwait" not in json.dumps(plain(resource.inputs)), resource.name


@pytest.mark.parametrize(
    ("overrides", "absent"),
    [
        (
            {
                "headwater:example": '{"enabled": false}',
                "headwater:services": '{"stripe": {"kind": "none"}, "salesforce": {"kind": "none"}}',
            },
            {"StatefulSet/shop", "Job/shop-seed", "CronJob/shop-live", "Deployment/saas"},
        ),
        ({"headwater:catalog": '{"uri": "https://catalog.example.com/api"}'}, {"Deployment/catalog"}),
    ],
)
def test_parts_can_be_left_out(overrides: dict[str, str], absent: set[str]) -> None:
    """A platform without the example, or on someone's own catalog, still wires up."""
    images = json.dumps({"builder": "buildah"})
    resources, _ = run_program({**stack_config(), "headwater:images": images, **overrides})
    made = {f"{r.kind}/{r.known_as}" for r in resources if r.kind in WORKLOADS}
    assert not made & absent
    assert "Deployment/trino" in made


def test_docker_builds_the_same_images() -> None:
    """A laptop with Docker gets references by digest like any other machine."""
    images = json.dumps({"builder": "docker"})
    resources, _ = run_program({**stack_config(), "headwater:images": images})
    assert len([r for r in resources if r.type == "docker-build:index:Image"]) == 8
    test_images_are_named_by_digest(resources)


def test_the_program_stays_readable() -> None:
    """`__main__.py` is the table of the platform's parts; logic belongs in components."""
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 100


def test_no_file_is_too_long_to_be_read() -> None:
    """A file that grows until nobody knows what it is about: 600 lines before they were split."""
    folders = ("cli", "components", "localstack", "pipeline_code", "review", "tests")
    lines = {path: len(path.read_text().splitlines()) for each in folders for path in (ROOT / each).rglob("*.py")}
    assert not {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > 300}
