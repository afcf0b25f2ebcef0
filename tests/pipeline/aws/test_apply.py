"""What the programs register is taken by AWS's APIs, as moto serves them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.pipeline.aws.emulated import Emulator, in_order, sdk_arguments, universal_target
from tests.unit.components.conftest import Resource, aws_program, plain
from tests.unit.components.iam import allowed


@pytest.fixture(scope="module", params=["staging", "prod"])
def applied(request: pytest.FixtureRequest) -> Iterator[tuple[Emulator, list[Resource]]]:
    """An emulator that has all of a stack, and the stack's resources in the order in which it got them."""
    resources, _ = aws_program(request.param)
    mine = [each for each in in_order(resources) if each.type.startswith("aws:")]
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        emulator = Emulator("eu-central-1")
        for resource in mine:
            try:
                emulator.apply(resource)
            except Exception as error:
                raise AssertionError(f"{resource.type} {resource.name}: {error}") from error
        yield emulator, mine


def test_aws_takes_every_resource_in_the_order_of_dependencies(applied: tuple[Emulator, list[Resource]]) -> None:
    """A wrong reference, an invalid policy, an unknown argument, or a dependency left out fails `pulumi up` halfway."""
    emulator, resources = applied
    assert len(emulator.applied) == len(resources) > 100


BROKEN: dict[str, dict[str, Any]] = {
    "Route": {"routeTableId": "rtb-00000000000000000"},
    "RolePolicy": {"policy": '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*:*"}]}'},
    "BucketPolicy": {"bucket": "no-such-bucket"},
    "BucketLogging": {"targetBucket": "no-such-bucket"},
    "LogGroup": {"retentionInDays": 31},
    "Instance": {"dbSubnetGroupName": "no-such-group"},
    "Addon": {"resolveConflictsOnCreate": 1},
    "Topic": {"kmsMasterKeyId": "00000000-0000-0000-0000-000000000000"},
    "TopicSubscription": {"topic": "arn:aws:sns:eu-central-1:123456789012:nobody"},
    "MetricAlarm": {"alarmActions": ["arn:aws:sns:eu-central-1:123456789012:nobody"]},
    "Dashboard": {"dashboardBody": "{"},
    "Schedule": {"groupName": "no-such-group"},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_emulator_refuses_what_is_wrong(applied: tuple[Emulator, list[Resource]], kind: str) -> None:
    """The test above would prove nothing if anything at all were taken."""
    emulator, resources = applied
    resource = next((each for each in resources if each.kind == kind), None)
    if resource is None:
        assert kind == "Schedule", "only a stack that sleeps has schedules"
        return
    broken = Resource(resource.type, resource.name, {**resource.inputs, **BROKEN[kind]}, resource.outputs)
    with pytest.raises(Exception, match="r"):
        emulator.apply(broken)


def test_a_reference_to_nothing_is_seen(applied: tuple[Emulator, list[Resource]]) -> None:
    """An identifier that the mocks made up must not pass for one of the emulator's."""
    emulator, _ = applied
    with pytest.raises(AssertionError, match="no resource before it"):
        emulator.real({"subnetIds": ["subnet-0123456789abcdef0"]})


def test_a_night_goes_by_and_everything_is_back(applied: tuple[Emulator, list[Resource]]) -> None:
    """A call that AWS refuses, on a night when nobody looks; or one that its role may not make."""
    emulator, resources = applied
    planned = {each.name: emulator.real(plain(each.inputs))["target"] for each in resources if each.kind == "Schedule"}
    if not planned:
        pytest.skip("this stack never sleeps")
    rds, cloudwatch = emulator.client("rds"), emulator.client("cloudwatch")
    (policy,) = [json.loads(plain(each.inputs)["policy"]) for each in resources if each.name == "sleep-policy"]

    def call(name: str) -> None:
        service, operation = universal_target(emulator, planned[name]["arn"])
        given = sdk_arguments(emulator, planned[name])
        method = re.sub("(?<=[a-z])(?=[A-Z])|(?<=DB)(?=I)", "_", operation).lower()
        getattr(emulator.client(service), method)(**given)
        account = "111122223333"
        for of in [given.get("DBInstanceIdentifier"), given.get("AlarmName"), *given.get("AlarmNames", [])]:
            if of is not None:
                arn = f"arn:aws:{service}:eu-central-1:{account}:{'db' if service == 'rds' else 'alarm'}:{of}"
                assert allowed(policy, f"{service}:{operation}", arn), f"{operation} {arn}"

    def state() -> tuple[str, set[bool]]:
        (instance,) = rds.describe_db_instances()["DBInstances"]
        found = cloudwatch.describe_alarms()["MetricAlarms"]
        return instance["DBInstanceStatus"], {each["ActionsEnabled"] for each in found}

    assert state() == ("available", {True})
    for name in ("mute-alarms", "stop-database"):
        call(name)
    assert state() == ("stopped", {False})
    for name in ("start-database", "unmute-alarms", "forget-stale-marts"):
        call(name)
    assert state() == ("available", {True})
    assert set(planned) == {"mute-alarms", "stop-database", "start-database", "unmute-alarms", "forget-stale-marts"}
