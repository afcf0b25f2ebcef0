"""What the programs register is taken by AWS's APIs, as moto serves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.pipeline.aws.emulated import Emulator, in_order
from tests.unit.components.conftest import Resource, aws_program


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
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_emulator_refuses_what_is_wrong(applied: tuple[Emulator, list[Resource]], kind: str) -> None:
    """The test above would prove nothing if anything at all were taken."""
    emulator, resources = applied
    resource = next(each for each in resources if each.kind == kind)
    broken = Resource(resource.type, resource.name, {**resource.inputs, **BROKEN[kind]}, resource.outputs)
    with pytest.raises(Exception, match="r"):
        emulator.apply(broken)


def test_a_reference_to_nothing_is_seen(applied: tuple[Emulator, list[Resource]]) -> None:
    """An identifier that the mocks made up must not pass for one of the emulator's."""
    emulator, _ = applied
    with pytest.raises(AssertionError, match="no resource before it"):
        emulator.real({"subnetIds": ["subnet-0123456789abcdef0"]})
