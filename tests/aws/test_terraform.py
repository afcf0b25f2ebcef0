"""What the programs register is taken by Terraform's AWS provider: planned, made, planned anew, destroyed.

Pulumi's provider is made of it, of a newer version (docs/decisions/0116). Arguments, references and order are the
program's; AWS is moto, EKS a stand-in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.aws import eks_server, gaps, terraform
from tests.aws.recorded import configuration, record
from tests.aws.translate import Translator
from tests.unit.components.served import SERVING

FOUND = terraform.find()
REGION = "eu-central-1"
# What moto takes and does not give back, so that each plan shows it anew.
FORGOTTEN = {
    ("aws_db_instance", "performance_insights_enabled"),
    ("aws_db_instance", "performance_insights_kms_key_id"),
    ("aws_db_instance", "performance_insights_retention_period"),
    # It does not tell parameters of the user's from the family's.
    ("aws_db_parameter_group", "parameter"),
    # Of rules that name a group.
    ("aws_vpc_security_group_egress_rule", "description"),
    ("aws_vpc_security_group_ingress_rule", "description"),
}

# Where it is required, as in CI, the check fails rather than being skipped. `make test` leaves it to a command of its
# own: it takes minutes a stack.
ASKED = os.environ.get("HEADWATER_TERRAFORM")
REASON = "`make test only=aws` runs it" if ASKED == "separate" else str(FOUND)
pytestmark = pytest.mark.skipif((isinstance(FOUND, str) and ASKED != "required") or ASKED == "separate", reason=REASON)


@dataclass(frozen=True)
class Case:
    """A stack, as it is committed; extras: with a load balancer and the roles of CI."""

    stack: str
    extras: bool = False

    @property
    def protected(self) -> bool:
        return self.stack == "prod"


CASES = {"staging": Case("staging"), "prod": Case("prod"), "prod-served": Case("prod", extras=True)}


@pytest.fixture
def clouds() -> Iterator[tuple[str, str]]:
    """The endpoints of a moto and of a stand-in for EKS, both empty."""
    # AWS's own policies by name, as in every account.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
        gaps.fill(patch)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            endpoint = f"http://{host}:{port}"
            with eks_server.serve(REGION, endpoint) as cluster:
                yield endpoint, cluster
        finally:
            server.stop()


def zone(endpoint: str) -> str:
    """Make the hosted zone that a served stack finds in its account; return its identifier."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    route53 = boto3.client("route53", region_name=REGION, endpoint_url=endpoint, **keys)
    made = route53.create_hosted_zone(Name=SERVING["domain"], CallerReference="1")["HostedZone"]
    return str(made["Id"]).rsplit("/", 1)[-1]


def drift(changes: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return type and argument of everything that would change and that moto has not forgotten."""
    found = {
        (each["address"].split(".")[0], path.split(".")[0])
        for each in changes
        for path in terraform.differences(each["before"], each["after"])
    }
    return found - FORGOTTEN


@pytest.mark.parametrize("name", CASES)
def test_a_stack_is_made_stays_as_it_is_and_goes(name: str, clouds: tuple[str, str], tmp_path: Path) -> None:
    """An argument that the provider refuses, a wrong reference, an order that fails halfway; a drift for ever after.

    And a protected stack whose protection can't be lifted without replacing what it holds.
    """
    case = CASES[name]
    assert not isinstance(FOUND, str), FOUND
    space = terraform.Workspace(FOUND, tmp_path, REGION, *clouds)
    hosted = zone(clouds[0]) if case.extras else ""
    schema = space.schema()

    def configured(*, protected: bool) -> int:
        config = configuration(case.stack, protected=protected, extras=case.extras)
        document = Translator(record(config, case.stack, extras=case.extras), schema).document()
        # moto's zones have names that the settings refuse, and that AWS would not give.
        text = json.dumps(document.resources)
        space.configure(json.loads(text.replace(SERVING["zone"], hosted) if case.extras else text))
        return document.count

    count = configured(protected=case.protected)
    planned = space.plan()
    assert {tuple(each["actions"]) for each in planned} == {("create",)}
    assert len(planned) == count > 100
    space.apply()
    again = space.plan()
    assert drift(again) == set()
    assert {tuple(each["actions"]) for each in again} <= {("update",)}
    if case.protected:
        configured(protected=False)
        assert {tuple(each["actions"]) for each in space.plan()} == {("update",)}
        space.apply()
    space.destroy()
    assert space.left() == []
