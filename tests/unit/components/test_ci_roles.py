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
from components.aws.boundary import BOUNDED_ACTIONS, boundary_statements
from review.resources import Resource
from review.rules import catalogue
from review.rules.base import Requirements
from tests.unit.components.conftest import Resource as Registered
from tests.unit.components.conftest import plain, run_program, stack_config
from tests.unit.components.iam import allowed
from tests.unit.components.test_aws_identity import MAY

ARGS = ci_roles.CiRolesArgs(
    stack="staging",
    account="111122223333",
    prefix="headwater-staging",
    repository="acme/lake",
    state_bucket="acme-state",
    secrets_key="arn:aws:kms:eu-central-1:111122223333:key/abc",
)
BOUNDARY = "arn:aws:iam::111122223333:policy/headwater-staging-ci-boundary"
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
        ("iam:UpdateAssumeRolePolicy", f"{ROLE}headwater-staging-trino", True),
        ("iam:PassRole", f"{ROLE}headwater-staging-cluster", True),
        ("iam:CreateRole", f"{ROLE}headwater-prod-trino", False),
        ("iam:CreateRole", f"{ROLE}administrator", False),
        ("iam:PutRolePolicy", f"{ROLE}headwater-staging-ci-preview", False),
        ("iam:UpdateAssumeRolePolicy", f"{ROLE}headwater-staging-ci-deploy", False),
        ("iam:GetRole", f"{ROLE}headwater-staging-ci-deploy", True),
        ("iam:PassRole", f"{ROLE}headwater-staging-ci-deploy", False),
        ("iam:GetPolicyVersion", BOUNDARY, True),
        ("iam:CreatePolicyVersion", BOUNDARY, False),
        ("iam:SetDefaultPolicyVersion", BOUNDARY, False),
        ("iam:DeletePolicy", BOUNDARY, False),
        ("iam:DeleteRolePermissionsBoundary", f"{ROLE}headwater-staging-trino", False),
        ("iam:CreateUser", "arn:aws:iam::111122223333:user/headwater-staging-x", False),
        ("iam:CreateOpenIDConnectProvider", "arn:aws:iam::111122223333:oidc-provider/evil", False),
    ],
)
def test_a_deployment_makes_the_stacks_roles_and_not_its_own(action: str, resource: str, wanted: bool) -> None:
    """A workflow that grants itself more, or touches the roles of another stack of the account."""
    assert allowed({"Statement": ci_roles.deploy_statements(ARGS)}, action, resource) is wanted


@pytest.mark.parametrize("action", BOUNDED_ACTIONS)
@pytest.mark.parametrize(
    ("boundary", "wanted"),
    [
        (BOUNDARY, True),
        (None, False),
        ("arn:aws:iam::aws:policy/AdministratorAccess", False),
        (BOUNDARY.replace("staging", "prod"), False),
    ],
)
def test_a_role_gets_rights_only_within_the_boundary(action: str, boundary: str | None, wanted: bool) -> None:
    """A workflow makes a role with all rights, gives it to a pod of its own, and has the account."""
    document = {"Statement": ci_roles.deploy_statements(ARGS)}
    context = {} if boundary is None else {"iam:PermissionsBoundary": boundary}
    assert allowed(document, f"iam:{action}", f"{ROLE}headwater-staging-trino", context) is wanted
    assert not allowed(document, f"iam:{action}", f"{ROLE}headwater-staging-ci-deploy", context)


@pytest.mark.parametrize(
    ("action", "resource", "wanted"),
    [
        ("s3:GetObject", "arn:aws:s3:::headwater-staging-lake-111122223333/warehouse/raw/1", True),
        ("s3:GetObject", "arn:aws:s3:::acme-lake/warehouse/raw/1", True),
        ("s3:GetObject", "arn:aws:s3:::headwater-prod-lake-444455556666/warehouse/raw/1", False),
        ("s3:GetObject", "arn:aws:s3:::acme-state/.pulumi/stacks/headwater/prod.json", False),
        ("sts:AssumeRole", f"{ROLE}headwater-staging-trino", True),
        ("sts:AssumeRole", f"{ROLE}administrator", False),
        ("ec2:RunInstances", "*", True),
        ("glue:CreateTable", "arn:aws:glue:eu-central-1:111122223333:table/marts/x", True),
        ("iam:PassRole", f"{ROLE}headwater-staging-nodes", True),
        ("iam:PassRole", f"{ROLE}administrator", False),
        ("iam:CreateRole", f"{ROLE}headwater-staging-x", False),
        ("iam:PutRolePolicy", f"{ROLE}headwater-staging-trino", False),
        ("iam:DeleteRolePermissionsBoundary", f"{ROLE}headwater-staging-trino", False),
        ("iam:CreateAccessKey", "arn:aws:iam::111122223333:user/me", False),
        ("organizations:LeaveOrganization", "*", False),
    ],
)
def test_the_boundary_keeps_a_role_within_its_stack(action: str, resource: str, wanted: bool) -> None:
    """A role with every action in its policy reads production's lake, or gives itself what the boundary leaves out."""
    document = {
        "Statement": boundary_statements("111122223333", "headwater-staging", ["headwater-staging-*", "acme-lake"])
    }
    assert allowed(document, action, resource) is wanted


@pytest.fixture(scope="module")
def deployed() -> list[Registered]:
    """The resources of staging, which a workflow deploys."""
    config = stack_config("staging")
    ci = {"repository": "acme/lake", "state_bucket": "acme-state", "secrets_key": ARGS.secrets_key}
    cluster = {
        "administrators": [f"{ROLE}headwater-staging-ci-deploy", f"{ROLE}people"],
        "nodes": {"architectures": ["amd64"]},
    }
    configured = json.loads(config["headwater:aws"]) | {"ci": ci, "cluster": cluster}
    return run_program({**config, "headwater:aws": json.dumps(configured)}, "staging")[0]


def test_every_role_that_a_deployment_makes_carries_the_boundary(deployed: list[Registered]) -> None:
    """One that does not is refused, in the middle of a deployment; and the one after it has what it wants."""
    roles = {each.name: plain(each.inputs) for each in deployed if each.type == "aws:iam/role:Role"}
    (boundary,) = [each.outputs["arn"] for each in deployed if each.name == "ci-boundary"]
    without = {name for name, each in roles.items() if each.get("permissionsBoundary") != boundary}
    assert without == {"ci-preview", "ci-deploy"}
    assert len(roles) > 8


def test_the_boundary_takes_nothing_from_the_workloads() -> None:
    """Every run fails with AccessDenied, although the role's own policy allows what it does."""
    document = {"Statement": boundary_statements("111122223333", "headwater-staging", ["headwater-staging-*"])}
    for _, action, resource in MAY:
        assert allowed(document, action, resource), f"{action} {resource}"
    for action in ("eks-auth:AssumeRoleForPodIdentity", "ecr:BatchGetImage", "ec2:CreateFleet", "kms:Decrypt"):
        assert allowed(document, action, "*"), action


def test_both_roles_of_ci_are_let_into_the_cluster(deployed: list[Registered]) -> None:
    """The first preview ends with `Unauthorized`, and somebody makes an administrator of it by hand."""
    entries = {each.name: plain(each.inputs)["principalArn"] for each in deployed if each.kind == "AccessEntry"}
    assert sorted(entries.values()) == [
        f"{ROLE}headwater-staging-ci-deploy",
        f"{ROLE}headwater-staging-ci-preview",
        f"{ROLE}people",
    ]
    policies = {plain(each.inputs)["principalArn"].rsplit("-", 1)[-1]: plain(each.inputs)["policyArn"].rsplit("/", 1)[1]
                for each in deployed if each.kind == "AccessPolicyAssociation"}  # fmt: skip
    assert policies["preview"] == "AmazonEKSAdminViewPolicy"
    assert policies["deploy"] == "AmazonEKSClusterAdminPolicy"


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
