"""Pods that need an identity of AWS, on a control plane where it comes late: staging's own manifests and policy.

What EKS does to a pod is played by a policy of the API server that adds the same variable, from a moment on.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cli.platform.jobs import from_cronjob
from components.cluster.admission import CREDENTIALS, identities
from components.settings.loading import load
from localstack.home import Home
from tests.unit.components.conftest import Resource, aws_program, stack_config

from .applied import manifest
from .control_plane import ControlPlane, control_plane

HERE = "headwater"
LATE_S = 240
REFUSED = "EKS Pod Identity gave this one no credentials"
# As EKS writes it; the value is the agent's address on every node.
VARIABLE = f'Object.spec.containers.env{{name: "{CREDENTIALS}", value: "http://169.254.170.23/v1/credentials"}}'
GIVEN = f"object.spec.containers.map(c, Object.spec.containers{{name: c.name, env: [{VARIABLE}]}})"
WEBHOOK = {
    "apiVersion": "admissionregistration.k8s.io/v1beta1",
    "kind": "MutatingAdmissionPolicy",
    "metadata": {"name": "pod-identity"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
            ]
        },
        "failurePolicy": "Ignore",
        "reinvocationPolicy": "Never",
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": f"Object{{spec: Object.spec{{containers: {GIVEN}}}}}"},
            }
        ],
    },
}
IN_FORCE = {
    "apiVersion": "admissionregistration.k8s.io/v1beta1",
    "kind": "MutatingAdmissionPolicyBinding",
    "metadata": {"name": "pod-identity"},
    "spec": {"policyName": "pod-identity"},
}


@pytest.fixture(scope="module")
def staging() -> list[Resource]:
    """Return what the program registers for staging."""
    return aws_program("staging")[0]


@pytest.fixture(scope="module")
def cluster(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return an empty control plane."""
    folder = tmp_path_factory.mktemp("control-plane")
    binaries = (home.root / "bin" / "kubectl").resolve().parent
    apis = ["admissionregistration.k8s.io/v1beta1"]
    with control_plane(binaries, folder, ["MutatingAdmissionPolicy"], apis) as made:
        yield made


def objects(resources: list[Resource], *kinds: str) -> list[dict[str, Any]]:
    """Return the objects of these kinds, with images that nobody pulls."""

    images: Mapping[str, str] = defaultdict(lambda: "nowhere/none")
    found = [r for r in resources if r.type.startswith("kubernetes:") and r.kind in kinds]
    return [manifest(each, images) for each in found]


def test_no_pod_is_made_without_its_identity_and_each_comes_with_it(
    cluster: ControlPlane, staging: list[Resource]
) -> None:
    """A Job whose only pod has no credentials fails for good; a Trino without them is ready and denies every query."""
    needy = {each.partition("/")[2] for each in identities(load(stack_config("staging"), {}, "staging"))}
    workloads = [
        each
        for each in objects(staging, "Deployment", "Job", "CronJob")
        if each["metadata"]["namespace"] == HERE and _pod(each)["serviceAccountName"] in needy
    ]
    cluster.create([each for each in objects(staging, "Namespace") if each["metadata"]["name"] == HERE])
    cluster.create([each for each in objects(staging, "ServiceAccount") if each["metadata"]["namespace"] == HERE])
    cluster.create(objects(staging, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"))
    # A policy takes a moment to be in force; on EKS that is over when the first pod comes.
    probe: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": HERE},
        "spec": {**_pod(workloads[0]), "serviceAccountName": "trino"},
    }
    deadline = time.monotonic() + LATE_S
    while REFUSED not in cluster.attempt("create", "--dry-run=server", "-f", "-", given=probe).stderr:
        assert time.monotonic() < deadline, "the policy is never in force"
    started = [_started(each) for each in workloads]
    assert {each["kind"] for each in started} == {"Deployment", "Job"}
    cluster.create(started)
    for each in started:
        _await_refusal(cluster, each)
    assert cluster.get("pods", "-n", HERE) == []
    # Who has no role is not asked for credentials; nor is a node's own pod, which has no service account at all.
    mirrored = {"name": "mirrored", "namespace": "kube-system", "annotations": {"kubernetes.io/config.mirror": "any"}}
    container = {"name": "any", "image": "nowhere/none"}
    cluster.create([{**probe, "metadata": mirrored, "spec": {"nodeName": "any", "containers": [container]}}])
    cluster.create([{**probe, "spec": {**probe["spec"], "serviceAccountName": "superset"}}])
    cluster.call("delete", "pod", "probe", "-n", HERE)

    cluster.create([WEBHOOK, IN_FORCE])
    for each in started:
        selector = ",".join(f"{key}={value}" for key, value in _labels(each).items())
        cluster.call("wait", "--for=create", "pod", "-l", selector, "-n", HERE, "--timeout=110s")
    pods = cluster.get("pods", "-n", HERE)
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == needy - {"cloudwatch-agent"}
    for pod in pods:
        assert CREDENTIALS in {each["name"] for each in pod["spec"]["containers"][0]["env"]}, pod["metadata"]["name"]
    # Refusals were no tries: a Job that may fail once, as those of ingestion, has its one try still before it.
    assert not [job for job in cluster.get("jobs", "-n", HERE) if job["status"].get("failed")]


def _pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec = workload["spec"]["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else workload["spec"]
    return dict(spec["template"]["spec"])


def _labels(workload: dict[str, Any]) -> dict[str, str]:
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def _started(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the workload itself, or the Job that Dagster makes of it."""
    if workload["kind"] != "CronJob":
        return workload
    return from_cronjob(workload, "ingestion-run", ["true"], [])


def _await_refusal(cluster: ControlPlane, workload: dict[str, Any]) -> None:
    """Wait until the cluster has tried to make a pod of the workload and been refused."""
    name, kind = workload["metadata"]["name"], workload["kind"]
    if kind == "Deployment":
        cluster.call("wait", "--for=condition=ReplicaFailure", f"deployment/{name}", "-n", HERE, "--timeout=110s")
        return
    deadline = time.monotonic() + LATE_S
    selector = f"involvedObject.name={name},reason=FailedCreate"
    while not cluster.get("events", "-n", HERE, "--field-selector", selector):
        assert time.monotonic() < deadline, f"nobody was refused a pod of {kind} {name}"
