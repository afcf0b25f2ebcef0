"""The pods of Dagster's runs, which are no resources of the program: what holds of every pod holds of them."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.connections import TRINO_TRUST
from components.kubernetes import pods
from tests.unit.components.conftest import Resource, plain, run_program, stack_config
from tests.unit.components.test_program import pod_specs


def run_pod(resources: list[Resource]) -> dict[str, Any]:
    (environment,) = [each for each in resources if each.name == "dagster-environment-config"]
    pod: dict[str, Any] = json.loads(plain(environment.inputs)["data"]["HEADWATER_RUN_POD"])
    return pod


def camel(value: Any) -> Any:
    """Return the value with the names that manifests have."""
    if isinstance(value, dict):
        return {
            "".join(part if at == 0 else part.capitalize() for at, part in enumerate(key.split("_"))): camel(each)
            for key, each in value.items()
        }
    return [camel(each) for each in value] if isinstance(value, list) else value


def test_runs_are_confined_like_the_servers_of_dagster(resources: list[Resource]) -> None:
    """A run with more rights than everything else: it was a second list of them, in an image, that nobody renewed."""
    pod, servers = run_pod(resources), dict(pod_specs(resources))
    server = servers["Deployment/dagster-code"]
    assert camel(pod["pod_spec_config"]["security_context"]) == server["securityContext"]
    assert camel(pod["container_config"]["security_context"]) == server["containers"][0]["securityContext"]
    assert pod["pod_spec_config"]["enable_service_links"] is server["enableServiceLinks"]


def test_a_run_mounts_what_its_stack_has_where_its_programs_look(resources: list[Resource]) -> None:
    """A run waits for ever for a volume that the stack does not have, or dbt finds no certificate."""
    open_stack = run_program(stack_config("dev") | {"headwater:trino": "{}"}, "dev")[0]
    for made, with_login in ((open_stack, False), (resources, True)):
        pod, maps = run_pod(made), {each.known_as for each in made if each.kind == "ConfigMap"}
        paths = {each["mount_path"] for each in pod["container_config"]["volume_mounts"]}
        assert (TRINO_TRUST in paths) is with_login
        (environment,) = [plain(each.inputs)["data"] for each in made if each.name == "dagster-environment-config"]
        assert environment.get("TRINO_CA", "").startswith(f"{TRINO_TRUST}/") is with_login
        mounted = {each["name"] for each in pod["container_config"]["volume_mounts"]}
        assert mounted == {each["name"] for each in pod["pod_spec_config"]["volumes"]}
        for volume in pod["pod_spec_config"]["volumes"]:
            assert volume.get("config_map", {}).get("name") in {None, *maps}


def test_a_run_is_a_peer_of_dagster_and_not_of_what_pulumi_made(resources: list[Resource]) -> None:
    """The code location refuses its runs, or `make status` lists each run's Job among the platform's workloads."""
    pod = run_pod(resources)
    for part in ("pod_template_spec_metadata", "job_metadata"):
        labels = pod[part]["labels"]
        assert labels["app.kubernetes.io/name"] == "dagster"
        assert labels["app.kubernetes.io/component"] == "run"
        assert labels["app.kubernetes.io/managed-by"] == "dagster"


def test_what_only_a_deployment_knows_is_no_plain_value() -> None:
    """A pod whose image is `<pulumi.output.Output object at 0x…>`."""
    with pytest.raises(TypeError):
        pods.plain({"image": pulumi.Output.from_input("a")})
