"""The AWS permissions of a workload: a role that the pods of one service account get through EKS Pod Identity."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.account import Account, tags

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_INLINE_POLICY = 10240


@dataclass(frozen=True)
class WorkloadRoleArgs:
    """service_account: of the namespace, whose pods get the role. policy: its document.

    namespace: a name, which need not be there yet: the association is made as soon as the cluster is.
    assumes_itself: for clients that take credentials only from a role that they assume.
    """

    account: Account
    cluster: pulumi.Input[str]
    namespace: str
    service_account: str
    policy: pulumi.Input[str]
    assumes_itself: bool = False


class WorkloadRole(pulumi.ComponentResource):
    """The role; pods that start once `ready` is there have it. `arn` is known before it is made."""

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:WorkloadRole", name, None, opts)
        account = args.account
        child = account.child(self)
        role_name = account.name(args.service_account)
        self.arn = account.arn("iam", f"role/{role_name}")
        trusted = policies.pod_identity_trust(
            account.settings.account,
            account.region,
            account.name(),
            role_name if args.assumes_itself else None,
        )
        role = aws.iam.Role(
            f"{name}-role",
            name=role_name,
            description=f"Pods of service account {args.service_account}",
            assume_role_policy=policies.document(trusted),
            permissions_boundary=account.boundary,
            tags=tags("identity"),
            opts=child,
        )
        policy = aws.iam.RolePolicy(f"{name}-policy", role=role.name, policy=args.policy, opts=child)
        association = aws.eks.PodIdentityAssociation(
            f"{name}-identity",
            cluster_name=args.cluster,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            tags=tags("identity"),
            # Not after the policy, which may wait for a database: an association needs seconds to be in force.
            opts=child,
        )
        self.ready: tuple[pulumi.Resource, ...] = (policy, association)
        self.register_outputs({"arn": role.arn})
