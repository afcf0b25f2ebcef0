"""The rules as Pulumi's policy SDK runs them: its own servicer, asked as the engine asks it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as engine
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel
from pulumi_policy.policy import _PolicyAnalyzerServicer

from review import policy_pack
from review.resources import UNKNOWN, Resource
from review.rules import catalogue
from tests.unit.review.conftest import ROOT, bucket, deployment


@pytest.fixture(scope="module")
def servicer() -> Any:
    rules = list(policy_pack.policies())
    nothing = [None] * 7
    return _PolicyAnalyzerServicer("headwater", "0.1.0", rules, EnforcementLevel.MANDATORY, *nothing)


def asked(resource: Resource, kind: type[Any] = engine.AnalyzeRequest, **more: Any) -> Any:
    properties = struct_pb2.Struct()
    properties.update(dict(resource.inputs))
    urn = f"urn:pulumi:prod::headwater::{resource.type}::{resource.name}"
    options = engine.AnalyzerResourceOptions(protect=bool(resource.protect))
    return kind(type=resource.type, name=resource.name, urn=urn, properties=properties, options=options, **more)


def broken(response: Any) -> list[str]:
    return [each.policyName for each in response.diagnostics]


def test_a_broken_rule_stops_the_update_and_says_what_to_do(servicer: Any) -> None:
    """Rules that only the tests run: a change made on the stack's own machine passes them all."""
    response = servicer.Analyze(asked(deployment(image="trino:latest")), None)
    assert broken(response) == ["images-by-digest"]
    assert response.diagnostics[0].enforcementLevel == engine.MANDATORY
    assert 'image is "trino:latest"; name it as registry/name@sha256' in response.diagnostics[0].message


def test_a_value_that_is_not_known_yet_hides_no_other_violation(servicer: Any) -> None:
    """The SDK ends a rule at the first unknown value: an image built by the update would hide missing limits."""
    resource = deployment(image=UNKNOWN, resources=None)
    response = servicer.Analyze(asked(resource), None)
    assert set(broken(response)) == {"limits-and-probes"}
    assert {each.enforcementLevel for each in response.diagnostics} == {engine.MANDATORY}


def test_guards_are_found_by_dependency_before_the_bucket_has_a_name(servicer: Any) -> None:
    """The first preview of a stack refused: its buckets look unguarded until they exist."""
    lake, *guards = bucket(tags=dict.fromkeys(("headwater:stack", "headwater:owner", "headwater:cost-center",
                                               "headwater:component"), "x"))  # fmt: skip
    lake_request = asked(Resource(lake.type, lake.name, {**lake.inputs, "bucket": UNKNOWN}), engine.AnalyzerResource)
    depends = {"bucket": engine.AnalyzerPropertyDependencies(urns=[lake_request.urn])}
    requests = [
        asked(Resource(each.type, each.name, {**each.inputs, "bucket": UNKNOWN}), engine.AnalyzerResource,
              propertyDependencies=depends)
        for each in guards
    ]  # fmt: skip
    assert broken(servicer.AnalyzeStack(engine.AnalyzeStackRequest(resources=[lake_request, *requests]), None)) == []
    alone = servicer.AnalyzeStack(engine.AnalyzeStackRequest(resources=[lake_request]), None)
    assert broken(alone) == ["buckets-guarded"] * 3


def test_protection_follows_the_stacks_own_settings(servicer: Any) -> None:
    """A pack that asks nothing of prod, because it never reads what prod's file says."""
    database = asked(
        Resource("aws:rds/instance:Instance", "db", {"deletionProtection": False}), engine.AnalyzerResource
    )
    request = engine.AnalyzeStackRequest(resources=[database])
    assert "deletion-protection" not in broken(servicer.AnalyzeStack(request, None))
    pulumi.runtime.config.set_all_config({"headwater:aws": '{"region": "us-east-1"}'}, [])
    try:
        assert "deletion-protection" in broken(servicer.AnalyzeStack(request, None))
    finally:
        pulumi.runtime.config.set_all_config({}, [])


def test_the_pack_starts_as_pulumi_starts_it_and_serves_every_rule() -> None:
    """A pack that can't be imported: Pulumi says so only at the first preview with it."""
    argv = [sys.executable, "-u", "__main__.py"]
    with subprocess.Popen(argv, cwd=ROOT / "review" / "pack", stdout=subprocess.PIPE, text=True) as pack:
        try:
            assert pack.stdout is not None
            port = int(pack.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = analyzer_pb2_grpc.AnalyzerStub(channel)
                served = stub.GetAnalyzerInfo(empty_pb2.Empty(), timeout=30)
                response = stub.Analyze(asked(deployment(image="trino:latest")), timeout=30)
        finally:
            pack.kill()
    rules = {each.name for each in (*catalogue.RESOURCE_RULES, *catalogue.STACK_RULES)}
    assert {each.name for each in served.policies} == rules
    assert {each.enforcementLevel for each in served.policies} <= {engine.MANDATORY}
    assert broken(response) == ["images-by-digest"]
