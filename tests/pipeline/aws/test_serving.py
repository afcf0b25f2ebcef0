"""What a stack with a load balancer registers is taken by AWS's APIs, as moto serves them, and does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.pipeline.aws.emulated import Emulator, in_order
from tests.unit.components.served import SECRETS, served_program


@pytest.fixture(scope="module")
def applied() -> Iterator[Emulator]:
    """An emulator that has all of staging with an internal load balancer."""
    resources, _ = served_program("staging")
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        emulator = Emulator("eu-central-1")
        for resource in in_order(resources):
            if resource.type.startswith("aws:"):
                try:
                    emulator.apply(resource)
                except Exception as error:
                    raise AssertionError(f"{resource.type} {resource.name}: {error}") from error
        yield emulator


def rules_of(emulator: Emulator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the load balancer, and host → actions of the rules of its HTTPS listener."""
    elb = emulator.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (https,) = [each for each in listeners if each["Protocol"] == "HTTPS"]
    rules = elb.describe_rules(ListenerArn=https["ListenerArn"])["Rules"]
    named = {rule["Conditions"][0]["HostHeaderConfig"]["Values"][0]: rule["Actions"] for rule in rules
             if rule["Conditions"]}  # fmt: skip
    return balancer, named


def test_both_names_lead_to_the_load_balancer(applied: Emulator) -> None:
    """A page that nobody finds: its name points to nothing, or to another load balancer."""
    balancer, rules = rules_of(applied)
    assert balancer["Scheme"] == "internal"
    route53 = applied.client("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    aliases = {each["Name"].rstrip("."): each["AliasTarget"]["DNSName"].rstrip(".") for each in records
               if "AliasTarget" in each}  # fmt: skip
    assert set(aliases) == set(rules) == {"dagster.data.example.com", "superset.data.example.com"}
    assert set(aliases.values()) == {balancer["DNSName"]}


def test_dagster_asks_for_a_login(applied: Emulator) -> None:
    """The order of the actions, or the name of a field, that AWS understands otherwise: the page is open."""
    _, rules = rules_of(applied)
    login, forward = sorted(rules["dagster.data.example.com"], key=lambda each: each["Order"])
    assert (login["Type"], forward["Type"]) == ("authenticate-oidc", "forward")
    sent = login["AuthenticateOidcConfig"]
    assert (sent["ClientId"], sent["OnUnauthenticatedRequest"]) == ("dagster", "authenticate")
    assert sent["ClientSecret"] == SECRETS["headwater:dagsterClientSecret"]
