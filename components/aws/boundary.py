"""The most that any role made by a deployment may do: as much as the deployment itself, and no more."""

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


def boundary_name(prefix: str) -> str:
    """Return the name of a stack's boundary. It begins like the CI roles, which a deployment can't change either."""
    return f"{prefix}-ci-boundary"


def boundary_arn(account: str, prefix: str) -> str:
    """Return the boundary's ARN, known before it is made."""
    return f"arn:aws:iam::{account}:policy/{boundary_name(prefix)}"


def boundary_statements(account: str, prefix: str, buckets: Sequence[str]) -> list[Statement]:
    """Return the boundary: it grants nothing, and what it leaves out no policy of a role can grant.

    buckets: names, or patterns, of the stack's buckets. Without IAM, so that no role makes itself another; without
    other stacks' objects and roles, which the deployment could reach and its workloads need not.
    """
    root = f"arn:aws:iam::{account}"
    objects = [arn for name in buckets for arn in (f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*")]
    return [
        {"Sid": "Powers", "Effect": "Allow", "NotAction": list(OUT_OF_REACH), "Resource": "*"},
        allow("PassNodes", ["iam:PassRole", "iam:GetRole"], [f"{root}:role/{prefix}-*"]),
        allow("NodeProfiles", [f"iam:{each}" for each in PROFILE_ACTIONS], [f"{root}:instance-profile/*"]),
        allow("ServiceRoles", ["iam:CreateServiceLinkedRole"], [f"{root}:role/aws-service-role/*"]),
        {"Sid": "OwnBuckets", "Effect": "Deny", "Action": "s3:*", "NotResource": objects},
        {"Sid": "OwnRoles", "Effect": "Deny", "Action": "sts:AssumeRole", "NotResource": [f"{root}:role/{prefix}-*"]},
    ]
