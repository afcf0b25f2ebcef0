"""What the commands of `after_destroy` list: what is the stack's own, and nothing of its neighbours in the account."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import jmespath
import pytest

from tests.unit.components import iam
from tests.unit.components.conftest import aws_program, plain
from tests.unit.components.test_aws_program import inputs

# Stacks whose names begin with this one's, end with it, or have it in the middle.
NEIGHBOURS = ["{}-eu", "acme-{}", "acme-{}-eu", "{}eu"]


def groups(stack: str) -> list[str]:
    return [each["name"] for each in inputs(aws_program(stack)[0], "LogGroup").values()]


def listed(command: str, names: list[str]) -> Any:
    """Return what the AWS CLI prints: what CloudWatch answers by the pattern, then the query."""
    words = shlex.split(command)
    pattern, query = words[words.index("--log-group-name-pattern") + 1], words[words.index("--query") + 1]
    assert re.fullmatch(r"[.\-_/#A-Za-z0-9]{3,50}", pattern), pattern
    answer = {"logGroups": [{"logGroupName": name} for name in names if pattern in name]}
    return jmespath.search(query, answer)


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_log_groups_are_those_of_the_stack_and_no_others(stack: str) -> None:
    """`aws logs delete-log-group` over the list: the logs of the stack prod-eu, gone with those of prod."""
    (command,) = [each for each in aws_program(stack)[1]["after_destroy"] if each.startswith("aws logs ")]
    own, name = groups(stack), f"headwater-{stack}"
    others = [each.replace(name, other.format(name)) for each in own for other in NEIGHBOURS]
    assert len(own) > 5
    assert listed(command, [*own, *others]) == own


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_keys_serve_the_logs_of_the_stack_and_no_others(stack: str) -> None:
    """Logs of a neighbour that a key of this stack encrypts: unreadable once this stack and its keys are gone."""
    name, context = f"headwater-{stack}", "kms:EncryptionContext:aws:logs:arn"
    account = json.loads(aws_program_account(stack))
    policies = [json.loads(each["policy"]) for each in inputs(aws_program(stack)[0], "Key").values()]

    def encrypted(group: str) -> bool:
        arn = f"arn:aws:logs:eu-central-1:{account}:log-group:{group}"
        return any(
            iam.holds(statement["Condition"], {context: arn})
            for policy in policies
            for statement in policy["Statement"]
            if context in json.dumps(statement.get("Condition", {}))
        )

    for group in groups(stack):
        assert encrypted(group), group
        assert not [each for each in NEIGHBOURS if encrypted(group.replace(name, each.format(name)))], group


def aws_program_account(stack: str) -> str:
    """Return the account's number, as JSON."""
    (provider,) = [plain(each.inputs) for each in aws_program(stack)[0] if each.type == "pulumi:providers:aws"]
    (account,) = json.loads(provider["allowedAccountIds"])
    return json.dumps(account)
