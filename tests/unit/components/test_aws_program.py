"""The programs of the stacks on AWS: what must hold of every resource, on top of what holds on every stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.components import golden, test_program, test_program_secrets
from tests.unit.components.conftest import (
    ROOT,
    Resource,
    aws_program,
    plain,
    run_program,
    stack_config,
)

Stack = tuple[str, list[Resource], dict[str, Any]]
EVERYWHERE = [
    test_program.test_images_are_named_by_digest,
    test_program.test_every_container_has_requests_and_a_memory_limit,
    test_program.test_every_server_has_three_probes,
    test_program.test_containers_have_no_privileges,
    test_program.test_only_dagster_and_what_wakes_it_get_a_token_of_the_cluster,
    test_program.test_pods_may_only_handle_what_is_theirs,
    test_program.test_policies_name_workloads_that_exist,
    test_program_secrets.test_no_credential_is_readable_in_the_state,
    test_program.test_secret_references_point_to_keys_that_exist,
    test_program.test_a_deployment_selects_only_its_own_pods,
    test_program.test_volumes_outlive_their_statefulset,
    test_program.test_jobs_do_not_expire,
    test_program.test_nothing_skips_the_wait,
]
# Longest names, from each service's API reference.
LONGEST = {
    "Role": 64, "Bucket": 63, "Cluster": 100, "Instance": 63, "SubnetGroup": 255, "ParameterGroup": 255,
    "SecurityGroup": 255, "Repository": 256, "CatalogDatabase": 255, "LogGroup": 512, "Alias": 256, "Budget": 100,
    "Topic": 256, "MetricAlarm": 255, "Schedule": 64, "ScheduleGroup": 64,
}  # fmt: skip
WITHOUT_TAGS = {
    "Alias", "RolePolicy", "RolePolicyAttachment", "Route", "RouteTableAssociation", "LifecyclePolicy",
    "BucketPublicAccessBlock", "BucketOwnershipControls", "BucketServerSideEncryptionConfiguration",
    "BucketVersioning", "BucketPolicy", "BucketLifecycleConfiguration", "BucketLogging", "AccessPolicyAssociation",
    "TopicPolicy", "TopicSubscription", "Dashboard", "Schedule",
}  # fmt: skip


def of_kind(resources: list[Resource], kind: str) -> dict[str, Resource]:
    """Return the resources of AWS or Kubernetes of that kind by name; no component of ours."""
    return {r.name: r for r in resources if r.kind == kind and r.type.startswith(("aws:", "kubernetes:"))}


def inputs(resources: list[Resource], kind: str) -> dict[str, dict[str, Any]]:
    return {name: plain(resource.inputs) for name, resource in of_kind(resources, kind).items()}


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
def test_what_holds_on_one_machine_holds_on_aws(aws_stack: Stack, rule: Callable[[list[Resource]], None]) -> None:
    """The dev stack would be safe and the one that matters would not."""
    rule(aws_stack[1])


@pytest.mark.parametrize("stack", golden.STACKS)
def test_the_summary_is_the_reviewed_one(stack: str) -> None:
    """A change of a role, a rule or a size that no reviewer saw. `python -m tests.unit.components.golden` renews it."""
    assert golden.summary(aws_program(stack)[0]) == (golden.FOLDER / f"{stack}.txt").read_text()


def test_every_resource_has_a_provider_of_the_stack(aws_stack: Stack) -> None:
    """The default provider takes whatever account or cluster the machine happens to be logged in to."""
    for resource in aws_stack[1]:
        if resource.type.startswith(("aws:", "kubernetes:")):
            kind = resource.type.split(":")[0]
            assert f"pulumi:providers:{kind}::" in resource.provider, f"{resource.type} {resource.name}"
            assert "default" not in resource.provider, resource.name


def test_the_provider_refuses_another_account(aws_stack: Stack) -> None:
    """Logged in to the wrong account, `pulumi up -s prod` would build production a second time."""
    stack, resources, _ = aws_stack
    (provider,) = [plain(r.inputs) for r in resources if r.type == "pulumi:providers:aws"]
    assert json.loads(provider["allowedAccountIds"]) == [json.loads(stack_config(stack)["headwater:aws"])["account"]]


def test_everything_carries_tags(aws_stack: Stack) -> None:
    """Nobody can tell what a line of the bill is for, and the budget does not count it."""
    stack, resources, _ = aws_stack
    (provider,) = [plain(r.inputs) for r in resources if r.type == "pulumi:providers:aws"]
    shared = json.loads(provider["defaultTags"])["tags"]
    assert shared["headwater:stack"] == stack
    assert {"headwater:owner", "headwater:cost-center"} <= set(shared)
    for resource in resources:
        if resource.type.startswith("aws:") and resource.kind not in WITHOUT_TAGS:
            assert plain(resource.inputs)["tags"]["headwater:component"], resource.name
    (nodes,) = inputs(resources, "NodeClass").values()
    assert shared.items() <= nodes["spec"]["tags"].items()


def test_names_fit_for_the_longest_prefix() -> None:
    """A stack called `integration-environment-eu` would fail at its twentieth resource."""
    config = stack_config("staging")
    given = json.loads(config["headwater:aws"]) | {"name": "h" * 36}
    resources, _ = run_program({**config, "headwater:aws": json.dumps(given)}, "staging")
    for resource in resources:
        if resource.kind in LONGEST and resource.type.startswith("aws:"):
            values = plain(resource.inputs)
            name = next(values[key] for key in ("name", "bucket", "identifier") if key in values)
            assert len(name) <= LONGEST[resource.kind], f"{resource.type} {name}"


def before(resources: list[Resource], name: str, kind: str) -> set[str]:
    """Return `Kind name` of all that is made before the resource, near and far."""
    by_urn = {resource.urn: resource for resource in resources}
    (start,) = [r for r in resources if r.name == name and r.kind == kind and not r.type.startswith("headwater:")]
    found: set[str] = set()
    waiting = list(start.after)
    while waiting:
        urn = waiting.pop()
        if urn in by_urn and urn not in found:
            found.add(urn)
            waiting += by_urn[urn].after
    return {f"{by_urn[urn].kind} {by_urn[urn].name}" for urn in found}


@pytest.mark.parametrize(
    ("resource", "needs"),
    [
        (("Cluster", "cluster"), {"Route private-a-outward", "VpcEndpoint endpoint-ecr-dkr", "LogGroup cluster-logs",
                                  "RolePolicyAttachment cluster-AmazonEKSComputePolicy", "RolePolicy cluster-tagging"}),
        (("NatGateway", "nat-a"), {"Route public-outward"}),
        (("Addon", "metrics-server"), {"NodePool on-demand-pool"}),
        (("Namespace", "headwater"), {"NodePool on-demand-pool", "NodePool spot-pool", "StorageClass disks"}),
        (("Image", "trino-arm64"), {"Repository trino-repository"}),
        (("Deployment", "trino-deployment"), {"PodIdentityAssociation trino-identity", "RolePolicy trino-policy",
                                              "CatalogDatabase glue-marts", "BucketPolicy lake-policy"}),
        (("CronJob", "ingestion-cronjob"), {"PodIdentityAssociation ingestion-identity", "CatalogDatabase glue-raw"}),
        (("Job", "database-init-job"), {"Instance database-instance", "RolePolicy database-init-policy",
                                        "PodIdentityAssociation database-init-identity"}),
        (("Deployment", "dagster-daemon-deployment"), {"Job database-init-job"}),
        (("Job", "superset-init-job"), {"Job database-init-job"}),
        (("BucketLogging", "lake-logging"), {"BucketPolicy access-logs-policy"}),
    ],
)  # fmt: skip
def test_nothing_comes_before_what_it_needs(aws_stack: Stack, resource: tuple[str, str], needs: set[str]) -> None:
    """A pod that starts before its identity never gets it; the first `pulumi up` would fail and the second succeed."""
    kind, name = resource
    missing = needs - before(aws_stack[1], name, kind)
    assert not missing


def test_production_keeps_what_holds_data() -> None:
    """`pulumi destroy` in the wrong window, or a renamed setting that replaces the database."""
    for stack, kept in (("prod", True), ("staging", False)):
        resources, _ = aws_program(stack)
        for kind in ("Bucket", "Key", "Instance", "CatalogDatabase"):
            for name, resource in of_kind(resources, kind).items():
                assert resource.protect is resource.retained is kept, f"{stack} {kind} {name}"
        (instance,), (cluster,) = inputs(resources, "Instance").values(), inputs(resources, "Cluster").values()
        assert instance["deletionProtection"] is cluster["deletionProtection"] is kept
        assert instance["skipFinalSnapshot"] is not kept
        assert instance["backupRetentionPeriod"] >= 1
        assert all(each["forceDestroy"] is not kept for each in inputs(resources, "Bucket").values())


def test_volumes_go_with_a_stack_that_nobody_protects() -> None:
    """A namespace that stays when its cluster goes: nothing deletes its claims any more, and the disks are paid for."""
    for stack, kept in (("staging", False), ("prod", True)):
        found = {each.name: each.retained for each in aws_program(stack)[0] if each.kind == "Namespace"}
        assert found
        assert set(found.values()) == {kept}, f"{stack}: {found}"


def test_production_survives_a_zone() -> None:
    """One gateway or one database in the zone that fails stops everything."""
    resources, _ = aws_program("prod")
    (instance,) = inputs(resources, "Instance").values()
    assert instance["multiAz"] is True
    routes = {each["natGatewayId"] for each in inputs(resources, "Route").values() if "natGatewayId" in each}
    assert len(routes) == 3


def test_old_versions_and_broken_uploads_go(aws_stack: Stack) -> None:
    """Every overwritten file of the lake would be paid for, for ever."""
    _, resources, _ = aws_stack
    rules = {each["bucket"]: each["rules"] for each in inputs(resources, "BucketLifecycleConfiguration").values()}
    assert set(rules) == {each["bucket"] for each in inputs(resources, "Bucket").values()}
    for bucket, found in rules.items():
        assert any("abortIncompleteMultipartUpload" in rule for rule in found), bucket
        assert any("noncurrentVersionExpiration" in rule for rule in found), bucket
        # The lake's own files never expire.
        expires = [rule for rule in found if "days" in rule.get("expiration", {})]
        assert not expires or "-lake-" not in bucket


def test_only_what_may_be_cut_off_goes_to_spot_nodes(aws_stack: Stack) -> None:
    """AWS takes a spot node back within two minutes: a coordinator or a daemon there stops everybody."""
    _, resources, _ = aws_stack
    pool = inputs(resources, "NodePool")["spot-pool"]["spec"]["template"]["spec"]
    (taint,) = pool["taints"]
    tolerating = {
        name
        for name, spec in test_program.pod_specs(resources)
        if any(each["key"] == taint["key"] for each in spec.get("tolerations", []))
    }
    assert "CronJob/ingestion" in tolerating
    assert not [
        name for name in tolerating if name.startswith("StatefulSet") or "dagster" in name or "superset" in name
    ]
    assert "taints" not in inputs(resources, "NodePool")["on-demand-pool"]["spec"]["template"]["spec"]


def test_nodes_and_images_are_of_the_same_architectures(aws_stack: Stack) -> None:
    """A pod on an arm64 node with an amd64 image ends with `exec format error`."""
    _, resources, _ = aws_stack
    built = [each.name for each in resources if each.type == "docker-build:index:Image"]
    images = {name.rpartition("-")[0] for name in built}
    assert len(images) > 5
    for name, pool in inputs(resources, "NodePool").items():
        requirements = {each["key"]: each["values"] for each in pool["spec"]["template"]["spec"]["requirements"]}
        for architecture in requirements["kubernetes.io/arch"]:
            assert {f"{image}-{architecture}" for image in images} <= set(built), name


def test_the_kubeconfig_has_no_credential(aws_stack: Stack) -> None:
    """A token in the state is everybody's who reads the state."""
    _, resources, _ = aws_stack
    (provider,) = [plain(r.inputs) for r in resources if r.type == "pulumi:providers:kubernetes"]
    config = json.loads(provider["kubeconfig"])
    (user,) = config["users"]
    assert set(user["user"]) == {"exec"}
    assert user["user"]["exec"]["command"] == "aws"


def test_the_emulated_stack_talks_to_the_emulator_alone() -> None:
    """One client without the endpoint would write to AWS with whatever account the machine has."""
    resources, _ = aws_program("localstack")
    endpoint = json.loads(stack_config("localstack")["headwater:aws"])["endpoint"]
    (provider,) = [plain(r.inputs) for r in resources if r.type == "pulumi:providers:aws"]
    services = json.loads(provider["endpoints"])[0]
    used = {r.type.split(":")[1].split("/")[0] for r in resources if r.type.startswith("aws:")}
    assert used - {"cloudwatch"} <= set(services)
    assert set(services.values()) == {endpoint}
    assert not [r for r in resources if r.kind in {"PodIdentityAssociation", "Role"} and r.type.startswith("aws:")]
    lake = inputs(resources, "ConfigMap")["trino-config"]["data"]["catalog.lake.properties"].splitlines()
    assert f"s3.endpoint={endpoint}" in lake
    assert f"hive.metastore.glue.endpoint-url={endpoint}" in lake
    assert "hive.metastore.glue.aws-access-key=${ENV:S3_ACCESS_KEY}" in lake
    environment = dict(test_program.containers(resources))["CronJob/ingestion/ingestion"]["env"]
    names = {each["name"]: each for each in environment}
    assert names["PYICEBERG_CATALOG__LAKE__GLUE__ENDPOINT"]["value"] == endpoint
    assert "valueFrom" in names["PYICEBERG_CATALOG__LAKE__GLUE__SECRET_ACCESS_KEY"]


def test_an_emulator_without_tls_is_not_asked_for_it() -> None:
    """Every read of the lake would be denied: the endpoint speaks plain HTTP."""
    resources, _ = aws_program("localstack")
    assert not [name for name, each in inputs(resources, "BucketPolicy").items() if "SecureTransport" in each["policy"]]
    for stack in ("staging", "prod"):
        refused = inputs(aws_program(stack)[0], "BucketPolicy")
        assert len([each for each in refused.values() if "SecureTransport" in each["policy"]]) == 3


def test_one_machine_loads_nothing_of_aws() -> None:
    """The SDK's seconds would be paid at every `pulumi up` of a stack that has nothing there."""
    program = (
        "import json, sys; from tests.unit.components.conftest import *; config = stack_config();"
        "config['headwater:images'] = json.dumps({'builder': 'buildah'}); run_program(config);"
        "sys.exit(int(any(name.startswith(('pulumi_aws', 'components.aws', 'pulumi_docker')) for name in sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, env=environment, check=False)
    assert result.returncode == 0
