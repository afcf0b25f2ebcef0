"""What a reviewer is told of a stack with a load balancer in front: its rules and its cost."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import yaml

from review import program
from review.cost import tables
from review.cost.estimate import estimate
from review.resources import SECRET, Resource
from review.rules import catalogue
from tests.unit.components.served import SERVING
from tests.unit.review.conftest import ROOT, registered


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """Return what staging's program registers with a load balancer; its clients' secrets are encrypted in its file."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "__main__.py", checkout)
    settings = yaml.safe_load((ROOT / "Pulumi.staging.yaml").read_text())
    settings["config"]["headwater:serving"] = SERVING
    for client in ("superset", "dagster"):
        settings["config"][f"headwater:{client}ClientSecret"] = {"secure": "v1:abc"}
    (checkout / "Pulumi.staging.yaml").write_text(yaml.safe_dump(settings))
    return program.run("staging", checkout)


def test_it_breaks_no_rule(served: list[Resource]) -> None:
    """The first pull request that asks for a load balancer is refused by the project's own rules."""
    wanted = catalogue.requirements(program.configuration("staging"))
    assert catalogue.lines(catalogue.broken(served, wanted)) == []


def test_the_rules_see_the_login(served: list[Resource]) -> None:
    """The client's secret hides the whole list of actions, and a rule without a login passes unseen."""
    (rule,) = [each for each in served if each.name == "dagster-rule"]
    login, forward = rule.at("actions")
    assert login["authenticateOidc"]["clientSecret"] == SECRET
    opened = replace(rule, inputs={**rule.inputs, "actions": [forward]})
    assert [name for name, _ in catalogue.broken([opened], catalogue.requirements({}))] == ["login-first"]


def test_the_load_balancer_is_in_the_estimate(served: list[Resource]) -> None:
    """Twenty dollars a month that nobody expected; or a resource "not priced", for ever."""
    table, usage = tables.prices("us-east-1"), tables.usage("staging")
    before, after = (estimate(each, table, usage) for each in (registered("staging"), served))
    assert after.unpriced == ()
    alarm_on_its_certificate = 0.10
    month = 730 * (0.0225 + 0.008 * usage.load_balancer_units)
    assert after.total - before.total == pytest.approx(month + alarm_on_its_certificate)
