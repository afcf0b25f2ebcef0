"""Identities before pods: when associations are made, and that no pod is admitted without its own.

tests/platform/test_identities.py asks a real API server what the policy does.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from components import settings
from components.cluster.admission import CREDENTIALS, identities
from components.settings.loading import load
from tests.unit.components.conftest import ROOT, Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.test_aws_program import before, inputs, of_kind
from tests.unit.components.test_program import pod_specs

Stack = tuple[str, list[Resource], dict[str, Any]]
# Other parts that need other identities, as staging with them.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "own catalog": {"catalog": {"kind": "rest"}},
    "not watched": {"observability": {"kind": "none"}},
    "database in the cluster": {"database": {"kind": "in-cluster"}},
}


def variant(changes: dict[str, dict[str, Any]]) -> dict[str, str]:
    return stack_config("staging") | {f"headwater:{name}": json.dumps(value) for name, value in changes.items()}


def associated(resources: list[Resource]) -> set[str]:
    found = inputs(resources, "PodIdentityAssociation").values()
    return {f"{each['namespace']}/{each['serviceAccount']}" for each in found}


def admitted(resources: list[Resource]) -> set[str]:
    """Return the service accounts whose pods the API server asks for credentials."""
    (policy,) = inputs(resources, "ValidatingAdmissionPolicy").values()
    (condition,) = policy["spec"]["matchConditions"]
    return set(json.loads(condition["expression"].partition(" in ")[2]))


def test_an_association_waits_for_its_role_and_the_cluster_only(aws_stack: Stack) -> None:
    """Made after a policy that waits for the database, it comes in the second of the Job that needs it: too late."""
    _, resources, _ = aws_stack
    for name in of_kind(resources, "PodIdentityAssociation"):
        earlier = before(resources, name, "PodIdentityAssociation")
        kinds = {each.split()[0] for each in earlier}
        assert not kinds & {"Instance", "Namespace", "NodePool", "Addon", "Bucket", "CatalogDatabase"}, name
        assert f"RolePolicy {name.removesuffix('-identity')}-policy" not in earlier, name


def test_the_policy_is_about_the_pods_that_have_a_role(aws_stack: Stack) -> None:
    """One it forgets runs without its role; one too many never runs at all."""
    _, resources, _ = aws_stack
    assert admitted(resources) == associated(resources)
    existing = {plain(r.inputs)["metadata"]["name"] for r in resources if r.kind == "ServiceAccount"}
    assert {each.partition("/")[2] for each in admitted(resources)} - {"cloudwatch-agent"} <= existing


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_policy_follows_the_settings(changes: dict[str, dict[str, Any]]) -> None:
    """A stack with another catalog, database or no watch would have a policy about somebody else's pods."""
    config = variant(changes)
    resources, _ = run_program(config, "staging")
    assert admitted(resources) == associated(resources) == set(identities(load(config, {}, "staging")))


def test_the_policy_refuses_and_names_the_way_out(aws_stack: Stack) -> None:
    """A policy that only warns, or whose error lets pods through, admits the pod that denies every query."""
    _, resources, _ = aws_stack
    (policy,) = inputs(resources, "ValidatingAdmissionPolicy").values()
    (binding,) = inputs(resources, "ValidatingAdmissionPolicyBinding").values()
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    (validation,) = policy["spec"]["validations"]
    assert CREDENTIALS in validation["expression"]
    assert "serviceAccountName" in validation["messageExpression"]


def test_every_workload_waits_until_the_policy_holds(aws_stack: Stack) -> None:
    """A pod made before the policy takes effect slips through, and keeps what it has not got."""
    _, resources, _ = aws_stack
    workloads = [r for r in resources if r.kind in {"Deployment", "StatefulSet", "Job", "CronJob"}]
    assert workloads
    for each in workloads:
        earlier = before(resources, each.name, each.kind)
        assert {"ValidatingAdmissionPolicyBinding identity-policy-binding", "Addon metrics-server"} <= earlier, (
            each.name
        )


def test_a_job_with_a_role_begins_each_try_with_a_new_pod(aws_stack: Stack) -> None:
    """A container that starts again in the same pod never gets the credentials that the pod was made without."""
    _, resources, _ = aws_stack
    needy = {each.partition("/")[2] for each in associated(resources)}
    jobs = {name: spec for name, spec in pod_specs(resources)
            if name.startswith(("Job/", "CronJob/")) and spec["serviceAccountName"] in needy}  # fmt: skip
    assert set(jobs) == {"Job/database-init", "CronJob/ingestion"}
    assert {spec["restartPolicy"] for spec in jobs.values()} == {"Never"}


def test_runs_of_dagster_are_pods_of_an_account_that_is_asked() -> None:
    """A run that publishes nothing, or whose Job starts a pod without a role, in the one account nobody looks at."""
    file = ROOT / "pipeline_code" / "orchestration" / "home" / "dagster.yaml"
    launcher = yaml.safe_load(file.read_text())["run_launcher"]["config"]
    assert f"headwater/{launcher['service_account_name']}" in admitted(aws_program("staging")[0])


def test_one_machine_has_no_such_policy(program: tuple[list[Resource], dict[str, Any]]) -> None:
    """Nobody gives credentials to pods there: each pod would be refused for ever."""
    for resources in (program[0], aws_program("localstack")[0]):
        assert not [r for r in resources if "ValidatingAdmission" in r.kind]
    assert identities(settings.parse({})) == []
