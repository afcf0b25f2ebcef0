"""The roles of CI: who gets them, and what they can and can't do."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pulumi
import pytest
from moto import mock_aws
from pulumi.runtime import sync_await

from components.aws import ci_roles
from review.resources import Resource
from review.rules import catalogue
from review.rules.base import Requirements
from tests.unit.components.iam import allowed

ARGS = ci_roles.CiRolesArgs(
    stack="staging",
    account="111122223333",
    prefix="headwater-staging",
    repository="acme/lake",
    state_bucket="acme-state",
    secrets_key="arn:aws:kms:eu-central-1:111122223333:key/abc",
)
ROLE = "arn:aws:iam::111122223333:role/"
STATE = "arn:aws:s3:::acme-state/.pulumi/"


@pytest.mark.parametrize(
    ("action", "resource", "wanted"),
    [
        ("s3:GetObject", f"{STATE}stacks/headwater/staging.json", True),
        ("s3:GetObject", f"{STATE}stacks/headwater/staging.json.gz", True),
        ("s3:GetObject", f"{STATE}stacks/headwater/prod.json", False),
        ("s3:GetObject", f"{STATE}stacks/headwater/staging-eu.json", False),
        ("s3:PutObject", f"{STATE}stacks/headwater/staging.json", False),
        ("s3:GetObject", "arn:aws:s3:::headwater-staging-lake/raw/orders/1.parquet", False),
        ("kms:Decrypt", ARGS.secrets_key, True),
        ("kms:Decrypt", "arn:aws:kms:eu-central-1:111122223333:key/prod", False),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:x", False),
        ("iam:CreateRole", f"{ROLE}headwater-staging-x", False),
    ],
)
def test_a_preview_reads_its_own_state_and_no_data(action: str, resource: str, wanted: bool) -> None:
    """A pull request's code that reads the lake, another stack's secrets, or writes the state."""
    assert allowed({"Statement": ci_roles.preview_statements(ARGS)}, action, resource) is wanted


@pytest.mark.parametrize(
    ("action", "resource", "wanted"),
    [
        ("iam:CreateRole", f"{ROLE}headwater-staging-trino", True),
        ("iam:PassRole", f"{ROLE}headwater-staging-cluster", True),
        ("iam:CreateRole", f"{ROLE}headwater-prod-trino", False),
        ("iam:CreateRole", f"{ROLE}administrator", False),
        ("iam:PutRolePolicy", f"{ROLE}headwater-staging-ci-preview", False),
        ("iam:UpdateAssumeRolePolicy", f"{ROLE}headwater-staging-ci-deploy", False),
        ("iam:GetRole", f"{ROLE}headwater-staging-ci-deploy", True),
        ("iam:CreateUser", "arn:aws:iam::111122223333:user/headwater-staging-x", False),
        ("iam:CreateOpenIDConnectProvider", "arn:aws:iam::111122223333:oidc-provider/evil", False),
    ],
)
def test_a_deployment_makes_the_stacks_roles_and_not_its_own(action: str, resource: str, wanted: bool) -> None:
    """A workflow that grants itself more, or touches the roles of another stack of the account."""
    assert allowed({"Statement": ci_roles.deploy_statements(ARGS)}, action, resource) is wanted


def test_only_one_environment_of_one_repository_may_assume_a_role() -> None:
    """A wildcard in the subject: any branch, any fork, or any repository on GitHub gets the account."""
    statement = ci_roles.trust_statement("arn:provider", "acme/lake", "staging-preview")
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/lake:environment:staging-preview",
        }
    }
    assert "*" not in json.dumps(statement)


class Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.resources: list[Resource] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.resources.append(Resource(args.typ, args.name, dict(args.inputs)))
        return f"{args.name}-id", {**args.inputs, "arn": f"arn:{args.name}"}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(args.token)


def made(args: ci_roles.CiRolesArgs) -> list[Resource]:
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="headwater", stack="staging", preview=False)
    ci_roles.CiRoles("ci-roles", args)
    sync_await._sync_await(pulumi.runtime.stack.wait_for_rpcs())
    return recorder.resources


def test_the_roles_keep_the_rules_with_one_exception() -> None:
    """CI that refuses its own roles; or an exception that covers more than the deployment's power."""
    assert catalogue.broken(made(ARGS), Requirements(deletion_protection=True)) == []
    (rule,) = catalogue.exceptions()
    assert rule == ("no-wildcard-iam", "aws:iam/rolePolicyAttachment:RolePolicyAttachment ci-deploy-power")


def test_the_accounts_own_provider_is_used_where_there_is_one() -> None:
    """A second stack of the account fails: GitHub's provider exists already."""
    known = ci_roles.CiRolesArgs(**{**ARGS.__dict__, "oidc_provider": "arn:aws:iam::111122223333:oidc-provider/g"})
    assert not [each for each in made(known) if "OpenIdConnectProvider" in each.type]
    trusts = [each.at("assumeRolePolicy") for each in made(known) if each.kind == "Role"]
    assert all("arn:aws:iam::111122223333:oidc-provider/g" in each for each in trusts)
    assert [each.at("clientIdLists") for each in made(ARGS) if "OpenIdConnect" in each.type] == [["sts.amazonaws.com"]]


def test_iam_accepts_every_policy_and_name() -> None:
    """A document that IAM refuses, or a policy of AWS's that is not there, found by the first deployment."""
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        iam = boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        resources = made(ARGS)
        for role in (each for each in resources if each.kind == "Role"):
            iam.create_role(RoleName=role.at("name"), AssumeRolePolicyDocument=role.at("assumeRolePolicy"))
        for policy in (each for each in resources if each.kind == "RolePolicy"):
            iam.put_role_policy(RoleName=policy.at("role"), PolicyName="own", PolicyDocument=policy.at("policy"))
        for attached in (each for each in resources if each.kind == "RolePolicyAttachment"):
            iam.attach_role_policy(RoleName=attached.at("role"), PolicyArn=attached.at("policyArn"))
        assert len(iam.list_roles()["Roles"]) == 2
