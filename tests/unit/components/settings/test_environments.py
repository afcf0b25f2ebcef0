"""No stack's workflows run in an environment of GitHub that another stack trusts, and no role has another's name."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pulumi
import pytest

from components import settings
from components.aws.boundary import ROLES
from components.settings import environments
from tests.unit.components.conftest import stack_config
from tests.unit.components.settings.test_aws_settings import CI


def load(stack: str, *, ci: bool = True) -> settings.Settings:
    raw: dict[str, Any] = dict(stack_config("staging"))
    raw["headwater:aws"] = json.loads(raw["headwater:aws"]) | ({"ci": CI, "name": "acme"} if ci else {})
    return settings.load(raw, {}, stack)


@pytest.mark.parametrize("stack", ["staging-preview", "staging-drift", "qa-preview-drift", "QA-Preview", "qa-DRIFT"])
def test_a_deployment_has_the_environment_of_no_other_stack(stack: str) -> None:
    """A branch's code, in the preview of staging, assumes the role that deploys staging-preview."""
    with pytest.raises(pulumi.RunError) as raised:
        load(stack)
    (line,) = str(raised.value).splitlines()[1:]
    assert line.startswith(f"  headwater:aws.ci: the stack's name {stack!r} is not allowed beside it.")
    assert "Take another name" in line


def test_names_that_differ_in_case_are_one_environment() -> None:
    """GitHub has one environment for QA and qa: what protects the first is what protects the second."""
    with pytest.raises(pulumi.RunError, match=r"the stack's name 'QA' is not allowed.* Call it qa"):
        load("QA")


def test_a_stack_without_roles_of_ci_may_be_called_so() -> None:
    """A stack that nobody's workflow deploys, refused."""
    assert load("staging-preview", ci=False).aws is not None


def test_no_two_stacks_that_are_accepted_share_an_environment() -> None:
    """An environment that is new, and that a stack's name can end in."""
    names = ["a", *(f"a-{end}" for end in ("preview", "drift", "ci", "deploy", "arm64", "preview-eu", "b"))]
    accepted = []
    for name in names:
        try:
            accepted.append(environments.own(name))
        except ValueError:
            continue
    assert {"a-preview", "a-drift"}.isdisjoint(accepted)
    assert len(accepted) == len(names) - 2
    every = {name: {*environments.of_previews(name), environments.of_deployment(name)} for name in accepted}
    assert [(a, b) for a, b in itertools.combinations(every, 2) if every[a] & every[b]] == []


def test_no_role_is_called_as_a_role_of_a_longer_prefix() -> None:
    """`headwater-a` + `b-trino` would be `headwater-a-b` + `trino`: one stack's deployment changes another's role."""
    names = [*ROLES, "ci-preview", "ci-deploy", "ci-boundary"]
    assert [(a, b) for a, b in itertools.permutations(names, 2) if a.endswith(f"-{b}")] == []
