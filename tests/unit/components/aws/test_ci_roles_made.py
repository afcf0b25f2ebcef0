"""The roles of CI as they are made: they keep the rules, and IAM accepts them."""

from __future__ import annotations

import boto3
from moto import mock_aws

from components.aws import ci_roles
from review import recorder
from review.resources import Resource
from review.rules import catalogue
from review.rules.base import Requirements
from tests.unit.components.aws.test_ci_roles import ARGS


def made(args: ci_roles.CiRolesArgs) -> list[Resource]:
    registered, _ = recorder.record(lambda: ci_roles.CiRoles("ci-roles", args), "staging", {}, preview=False)
    return [Resource(each.request.type, each.request.name, each.inputs) for each in registered]


def test_the_roles_keep_the_rules_with_two_exceptions() -> None:
    """CI that refuses its own roles; or an exception that covers more than the deployment's power and its boundary."""
    assert catalogue.broken(made(ARGS), Requirements(deletion_protection=True)) == []
    assert {each for each in catalogue.exceptions() if " ci-" in each[1]} == {
        ("no-wildcard-iam", "aws:iam/rolePolicyAttachment:RolePolicyAttachment ci-deploy-power"),
        ("no-wildcard-iam", "aws:iam/policy:Policy ci-boundary"),
    }


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
        (boundary,) = [each for each in resources if each.kind == "Policy"]
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        assert len(boundary.at("policy")) <= 6144
        iam.create_policy(PolicyName=boundary.at("name"), PolicyDocument=boundary.at("policy"))
        for policy in (each for each in resources if each.kind == "RolePolicy"):
            iam.put_role_policy(RoleName=policy.at("role"), PolicyName="own", PolicyDocument=policy.at("policy"))
        for attached in (each for each in resources if each.kind == "RolePolicyAttachment"):
            iam.attach_role_policy(RoleName=attached.at("role"), PolicyArn=attached.at("policyArn"))
        assert len(iam.list_roles()["Roles"]) == 2
