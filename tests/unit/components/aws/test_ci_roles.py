"""The roles of CI: who gets them, and what they can and can't do."""

from __future__ import annotations

import json
from pathlib import Path

import moto.iam.aws_managed_policies as managed
import pytest

from components.aws import ci_roles
from components.aws.boundary import BOUNDED_ACTIONS, boundary_statements, bucket_names
from tests.unit.components.aws.test_aws_identity import MAY
from tests.unit.components.conftest import Resource as Registered
from tests.unit.components.conftest import plain, run_program, stack_config
from tests.unit.components.iam import allowed

ARGS = ci_roles.CiRolesArgs(
    stack="staging",
    account="111122223333",
    prefix="headwater-staging",
    repository="acme/lake",
    state_bucket="acme-state",
    secrets_key="arn:aws:kms:eu-central-1:111122223333:key/abc",
)
READ_CALLS = Path(__file__).with_name("aws_read_calls.txt")
# Calls whose permission has another name, https://docs.aws.amazon.com/service-authorization/latest/reference/
PERMISSIONS = {
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
}
# AWS answers it to anybody who has credentials.
FREE = {"sts:GetCallerIdentity"}
# A stack whose name begins with that of another in the account.
NEIGHBOUR = "arn:aws:iam::111122223333:role/headwater-staging-eu-trino"
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
        ("s3:GetObject", f"{STATE}stacks/headwater/staging.eu.json", False),
        ("s3:GetObject", f"{STATE}stacks/headwater/staging.json.json.gz", False),
        ("s3:PutObject", f"{STATE}stacks/headwater/staging.json", False),
        ("s3:GetObject", "arn:aws:s3:::headwater-staging-lake/raw/orders/1.parquet", False),
        ("kms:Decrypt", ARGS.secrets_key, True),
        ("kms:Decrypt", "arn:aws:kms:eu-central-1:111122223333:key/prod", False),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:x", False),
        ("iam:CreateRole", f"{ROLE}headwater-staging-x", False),
        ("ecr:BatchGetImage", "arn:aws:ecr:eu-central-1:111122223333:repository/headwater-staging/trino", True),
        ("ecr:BatchGetImage", "arn:aws:ecr:eu-central-1:111122223333:repository/headwater-staging-eu/trino", False),
        ("ecr:PutImage", "arn:aws:ecr:eu-central-1:111122223333:repository/headwater-staging/trino", False),
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
        ("iam:CreateRole", NEIGHBOUR, False),
        ("iam:PassRole", NEIGHBOUR, False),
        ("iam:UpdateAssumeRolePolicy", NEIGHBOUR, False),
        ("iam:DeleteRole", NEIGHBOUR, False),
        ("iam:CreatePolicy", "arn:aws:iam::111122223333:policy/headwater-staging-eu-ci-boundary", False),
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
    assert not allowed(document, f"iam:{action}", NEIGHBOUR, context)
    assert not allowed(document, f"iam:{action}", f"{ROLE}headwater-staging-ci-deploy", context)


@pytest.mark.parametrize(
    ("action", "resource", "wanted"),
    [
        ("s3:GetObject", "arn:aws:s3:::headwater-staging-lake-111122223333/warehouse/raw/1", True),
        ("s3:GetObject", "arn:aws:s3:::acme-lake/warehouse/raw/1", True),
        ("s3:GetObject", "arn:aws:s3:::headwater-prod-lake-444455556666/warehouse/raw/1", False),
        ("s3:GetObject", "arn:aws:s3:::acme-state/.pulumi/stacks/headwater/prod.json", False),
        ("s3:GetObject", "arn:aws:s3:::headwater-staging-eu-lake-111122223333/warehouse/raw/1", False),
        ("sts:AssumeRole", NEIGHBOUR, False),
        ("iam:PassRole", NEIGHBOUR, False),
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
    buckets = [*bucket_names("111122223333", "headwater-staging"), "acme-lake"]
    document = {"Statement": boundary_statements("111122223333", "headwater-staging", buckets)}
    assert allowed(document, action, resource) is wanted


@pytest.fixture(scope="module")
def deployed() -> list[Registered]:
    """The resources of staging, which a workflow deploys."""
    config = stack_config("staging")
    ci = {"repository": "acme/lake", "state_bucket": "acme-state", "secrets_key": ARGS.secrets_key}
    cluster = {
        "administrators": [f"{ROLE}headwater-staging-ci-deploy", f"{ROLE}people"],
        "nodes": {"architectures": ["amd64"]},
        "private_access": ["10.8.0.0/16"],
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
    buckets = bucket_names("111122223333", "headwater-staging")
    document = {"Statement": boundary_statements("111122223333", "headwater-staging", buckets)}
    for _, action, resource in MAY:
        assert allowed(document, action, resource), f"{action} {resource}"
    for action in ("eks-auth:AssumeRoleForPodIdentity", "ecr:BatchGetImage", "ec2:CreateFleet", "kms:Decrypt"):
        assert allowed(document, action, "*"), action


def test_a_refresh_may_read_all_that_it_reads(deployed: list[Registered]) -> None:
    """The nightly drift check ends with AccessDenied, every night, and nobody looks at it any more."""
    attached = [
        plain(each.inputs)["policyArn"]
        for each in deployed
        if each.name.startswith("ci-preview-") and each.kind == "RolePolicyAttachment"
    ]
    known = json.loads(managed.aws_managed_policies_data)
    documents = [known[each.rsplit("/", 1)[1]]["Document"] for each in attached]
    documents.append({"Statement": ci_roles.preview_statements(ARGS)})
    statements = [each for document in documents for each in document["Statement"]]
    assert len(attached) == 2
    calls = [line for line in READ_CALLS.read_text().splitlines() if not line.startswith("#")]
    assert len(calls) > 80
    refused = {
        call
        for call in set(calls) - FREE
        if not allowed({"Statement": statements}, PERMISSIONS.get(call, call), "arn:aws:x:::any")
    }
    assert refused == set()


def test_the_drift_check_has_an_environment_of_its_own(deployed: list[Registered]) -> None:
    """Reviewers of previews, which protect a stack's secrets, would be asked every night."""
    (role,) = [plain(each.inputs) for each in deployed if each.name == "ci-preview" and each.kind == "Role"]
    (trusted,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert trusted["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"] == [
        "repo:acme/lake:environment:staging-preview",
        "repo:acme/lake:environment:staging-drift",
    ]


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
    statement = ci_roles.trust_statement("arn:provider", "acme/lake", ["staging-preview"])
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": ["repo:acme/lake:environment:staging-preview"],
        }
    }
    assert "*" not in json.dumps(statement)
