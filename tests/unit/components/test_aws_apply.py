"""What the programs register is taken by AWS's APIs, as moto serves them."""

from __future__ import annotations

from typing import Any

import pytest
from moto import mock_aws

from tests.unit.components.conftest import Resource, aws_program
from tests.unit.components.emulated import Emulator, in_order


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_aws_takes_every_resource_in_the_order_of_dependencies(stack: str) -> None:
    """A wrong reference, an invalid policy, an unknown argument, or a dependency left out fails `pulumi up` halfway."""
    resources, _ = aws_program(stack)
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        emulator = Emulator("eu-central-1")
        mine = [each for each in in_order(resources) if each.type.startswith("aws:")]
        for resource in mine:
            try:
                emulator.apply(resource)
            except Exception as error:
                raise AssertionError(f"{resource.type} {resource.name}: {error}") from error
    assert len(emulator.applied) == len(mine) > 100


@pytest.mark.parametrize("kind", ["Route", "RolePolicy", "BucketPolicy", "Instance"])
def test_the_emulator_refuses_what_is_wrong(kind: str) -> None:
    """The test above would prove nothing if moto took anything at all."""
    resources, _ = aws_program("staging")
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        emulator = Emulator("eu-central-1")
        for resource in in_order(resources):
            if resource.type.startswith("aws:"):
                if resource.kind == kind:
                    with pytest.raises(Exception, match=r"."):
                        emulator.apply(broken(resource))
                    return
                emulator.apply(resource)
    pytest.fail(f"the program has no {kind}")


def broken(resource: Resource) -> Resource:
    change: dict[str, dict[str, Any]] = {
        "Route": {"routeTableId": "rtb-00000000000000000"},
        "RolePolicy": {"policy": '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*:*"}]}'},
        "BucketPolicy": {"bucket": "no-such-bucket"},
        "Instance": {"dbSubnetGroupName": "no-such-group"},
    }
    return Resource(resource.type, resource.name, {**resource.inputs, **change[resource.kind]}, resource.outputs)
