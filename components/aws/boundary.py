"""The permissions boundary: a role that a deployment makes may do at most what the deployment itself may do."""

from __future__ import annotations

from collections.abc import Sequence

from components.aws.policies import Statement, allow

# A deployment may use these only on a role that carries the boundary; IAM knows the condition for no others.
BOUNDED_ACTIONS = (
    "AttachRolePolicy", "CreateRole", "DeleteRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary",
    "PutRolePolicy",
)  # fmt: skip
# What makes rights or accounts. PowerUserAccess, the deployment's own, leaves out the same.
OUT_OF_REACH = ("iam:*", "organizations:*", "account:*")
# EKS Auto Mode gives nodes a profile of their own: AmazonEKSComputePolicy, AmazonEKSClusterPolicy.
PROFILE_ACTIONS = (
    "AddRoleToInstanceProfile", "CreateInstanceProfile", "DeleteInstanceProfile", "GetInstanceProfile",
    "ListInstanceProfiles", "RemoveRoleFromInstanceProfile", "TagInstanceProfile",
)  # fmt: skip


# What the program's roles and buckets are called after the stack's prefix. No pattern: `headwater-dev-*` would also be
# what the stack `dev-eu` has. A new role goes here, and a person runs `make ci-role` before it is deployed.
ROLES = (
    "catalog", "cloudwatch-agent", "cluster", "dagster", "database-init", "flow-logs", "ingestion", "nodes", "sleep",
    "trino",
)  # fmt: skip
BUCKETS = ("access-logs", "artefacts", "lake")


def role_arns(account: str, prefix: str) -> list[str]:
    """Return the ARNs of the roles that the stack's program makes for itself."""
    return [f"arn:aws:iam::{account}:role/{prefix}-{name}" for name in ROLES]


def bucket_names(account: str, prefix: str) -> list[str]:
    """Return the names of the stack's buckets, where no setting calls the lake otherwise."""
    return [f"{prefix}-{name}-{account}" for name in BUCKETS]


def boundary_name(prefix: str) -> str:
    """Return the name of a stack's boundary. It begins like the CI roles, which a deployment can't change either."""
    return f"{prefix}-ci-boundary"


def boundary_arn(account: str, prefix: str) -> str:
    """Return the boundary's ARN, known before it is made."""
    return f"arn:aws:iam::{account}:policy/{boundary_name(prefix)}"


def boundary_statements(account: str, prefix: str, buckets: Sequence[str]) -> list[Statement]:
    """Return the boundary: it grants nothing, and what it leaves out no policy of a role can grant.

    buckets: names of the stack's buckets. Without IAM, so that no role makes itself another; without
    other stacks' objects and roles, which the deployment could reach and its workloads need not.
    """
    root = f"arn:aws:iam::{account}"
    roles = role_arns(account, prefix)
    objects = [arn for name in buckets for arn in (f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*")]
    return [
        {"Sid": "Powers", "Effect": "Allow", "NotAction": list(OUT_OF_REACH), "Resource": "*"},
        allow("PassNodes", ["iam:PassRole", "iam:GetRole"], roles),
        allow("NodeProfiles", [f"iam:{each}" for each in PROFILE_ACTIONS], [f"{root}:instance-profile/*"]),
        allow("ServiceRoles", ["iam:CreateServiceLinkedRole"], [f"{root}:role/aws-service-role/*"]),
        {"Sid": "OwnBuckets", "Effect": "Deny", "Action": "s3:*", "NotResource": objects},
        {"Sid": "OwnRoles", "Effect": "Deny", "Action": "sts:AssumeRole", "NotResource": roles},
    ]
