"""The roles of a repository's workflows on GitHub: one previews a stack and reads no data, one deploys it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.account import tags
from components.aws.boundary import (
    BOUNDED_ACTIONS,
    boundary_arn,
    boundary_name,
    boundary_statements,
    bucket_names,
    role_arns,
)
from components.aws.policies import Statement, allow
from components.settings import environments

TYPE = "headwater:aws:CiRoles"
ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
TAGS = tags("ci")
# A first deployment waits for a cluster and a database; an hour, IAM's default, is close.
SESSION_SECONDS = 2 * 3600
# Both describe resources and read no data: no object, no item, no secret value.
PREVIEW_POLICIES = ("SecurityAudit", "job-function/ViewOnlyAccess")
# What a refresh asks beside that (tests/unit/components/aws/aws_read_calls.txt); it describes, too.
REFRESH_ACTIONS = (
    "budgets:ListTagsForResource", "budgets:ViewBudget", "glue:GetDatabase", "s3:ListTagsForResource",
    "scheduler:GetSchedule", "scheduler:GetScheduleGroup", "scheduler:ListTagsForResource",
)  # fmt: skip
# Everything but IAM, which `deploy_statements` limits to the stack's own names.
DEPLOY_POLICY = "PowerUserAccess"
_ROLE_ACTIONS = (
    "AttachRolePolicy", "CreateRole", "DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "GetRole", "GetRolePolicy",
    "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListRolePolicies", "ListRoleTags", "PassRole",
    "PutRolePolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription",
)  # fmt: skip
_POLICY_READS = ("GetPolicy", "GetPolicyVersion", "ListPolicyVersions")


@dataclass(frozen=True)
class CiRolesArgs:
    """Whose workflows may do what.

    stack: its environments on GitHub are `<stack>-preview`, `<stack>-drift` and `<stack>`. account: 12 digits.
    prefix: begins the names of everything the stack makes. repository: owner/name. state_bucket: holds Pulumi's state.
    secrets_key: ARN of the KMS key of the stack's secrets. oidc_provider: ARN of GitHub's provider where the account
    has one, which it can have only once; None makes it. bucket: the lake's, where a setting names it.
    """

    stack: str
    account: str
    prefix: str
    repository: str
    state_bucket: str
    secrets_key: str
    oidc_provider: str | None = None
    bucket: str | None = None


def trust_statement(provider: str, repository: str, trusted: Sequence[str]) -> Statement:
    """Return who may assume a role: jobs of these environments of one repository, and nobody else on GitHub.

    provider: ARN of the OIDC provider. The subject is that of a job that names an environment, so that the
    environment's own protection (reviewers, branches) decides who gets there.
    """
    subjects = [f"repo:{repository}:environment:{each}" for each in trusted]
    claims = {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subjects}
    return policies.trust({"Federated": provider}, ("sts:AssumeRoleWithWebIdentity",), StringEquals=claims)


def preview_statements(args: CiRolesArgs) -> list[Statement]:
    """Return what a preview does beside describing resources: it reads the stack's state and decrypts its secrets."""
    bucket = f"arn:aws:s3:::{args.state_bucket}"
    # Whole names, of the state as Pulumi writes it, plain or compressed: `prod.*` would be the stack prod.eu's too.
    states = [f"{bucket}/.pulumi/stacks/headwater/{args.stack}.{ending}" for ending in ("json", "json.gz")]
    objects = [f"{bucket}/.pulumi/meta.yaml", *states]
    return [
        allow("ListState", ["s3:ListBucket", "s3:GetBucketLocation"], [bucket]),
        # No write, and no lock: a preview takes none.
        allow("ReadState", ["s3:GetObject"], objects),
        allow("DecryptSecrets", ["kms:Decrypt"], [args.secrets_key]),
        allow("RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("ReadImages", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [_repositories(args)]),
        allow("Refresh", REFRESH_ACTIONS, ["*"]),
    ]


def _repositories(args: CiRolesArgs) -> str:
    return f"arn:aws:ecr:*:{args.account}:repository/{args.prefix}/*"


def deploy_statements(args: CiRolesArgs) -> list[Statement]:
    """Return what a deployment may do with IAM: with the stack's own roles, all that keeps them within the boundary.

    Of what CI itself may do it reads everything and changes nothing: only a person does, with `make ci-role`.
    """
    root = f"arn:aws:iam::{args.account}"
    names, boundary = role_arns(args.account, args.prefix), boundary_arn(args.account, args.prefix)
    ci = [f"{root}:role/{args.prefix}-ci-{purpose}" for purpose in ("preview", "deploy")]
    free = [action for action in _ROLE_ACTIONS if action not in BOUNDED_ACTIONS]
    reads = [action for action in _ROLE_ACTIONS if action.startswith(("Get", "List"))]
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    return [
        allow("Roles", [f"iam:{action}" for action in free], names),
        allow("BoundedRoles", [f"iam:{action}" for action in BOUNDED_ACTIONS], names, bounded),
        allow("ReadItsOwn", [f"iam:{action}" for action in reads], ci),
        allow("ReadTheBoundary", [f"iam:{action}" for action in _POLICY_READS], [boundary]),
        allow("ReadProvider", ["iam:GetOpenIDConnectProvider"], [f"{root}:oidc-provider/{ISSUER}"]),
    ]


class CiRoles(pulumi.ComponentResource):
    """The two roles, the boundary of all others, and GitHub's OIDC provider where the account has none.

    preview, deploy: the roles' ARNs, for the repository's variables. boundary: the ARN that every role of the stack
    carries.
    """

    def __init__(self, name: str, args: CiRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TYPE, name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        provider = self._oidc_provider()
        attached = {f"ci-preview-{each.rsplit('/', 1)[-1]}": each for each in PREVIEW_POLICIES}
        previews, deployment = environments.of_previews(args.stack), [environments.of_deployment(args.stack)]
        self.preview = self._role("preview", provider, previews, preview_statements(args), attached)
        powers = {"ci-deploy-power": DEPLOY_POLICY}
        self.deploy = self._role("deploy", provider, deployment, deploy_statements(args), powers)
        buckets = sorted({*bucket_names(args.account, args.prefix), *([] if args.bucket is None else [args.bucket])})
        boundary = aws.iam.Policy(
            "ci-boundary",
            name=boundary_name(args.prefix),
            description=f"The most that a role of {args.prefix} may do",
            policy=policies.document(boundary_statements(args.account, args.prefix, buckets)),
            tags=TAGS,
            opts=self._child,
        )
        self.boundary: pulumi.Output[str] = boundary.arn
        self.register_outputs({"preview": self.preview, "deploy": self.deploy})

    def _oidc_provider(self) -> pulumi.Input[str]:
        if self._args.oidc_provider is not None:
            return self._args.oidc_provider
        # The whole account shares it: the stack that made it leaves it behind.
        kept = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(retain_on_delete=True))
        made = aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{ISSUER}", client_id_lists=[AUDIENCE], tags=TAGS, opts=kept
        )
        return made.arn

    def _role(
        self,
        purpose: str,
        provider: pulumi.Input[str],
        trusted: Sequence[str],
        statements: Sequence[Statement],
        attached: Mapping[str, str],
    ) -> pulumi.Output[str]:
        """Make a role for some environments with its own policy and AWS's (resource name → policy); return its ARN."""
        trust = pulumi.Output.from_input(provider).apply(
            lambda arn: policies.document([trust_statement(arn, self._args.repository, trusted)])
        )
        role = aws.iam.Role(
            f"ci-{purpose}",
            name=f"{self._args.prefix}-ci-{purpose}",
            description=f"GitHub Actions, {self._args.repository}, {' and '.join(trusted)}",
            assume_role_policy=trust,
            max_session_duration=SESSION_SECONDS,
            tags=TAGS,
            opts=self._child,
        )
        aws.iam.RolePolicy(f"ci-{purpose}", role=role.name, policy=policies.document(statements), opts=self._child)
        for name, policy in attached.items():
            arn = f"arn:aws:iam::aws:policy/{policy}"
            aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=arn, opts=self._child)
        return role.arn
