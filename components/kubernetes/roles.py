"""What a service account may do through the cluster's API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes.labels import Identity
from components.kubernetes.workloads import metadata


@dataclass(frozen=True)
class Rule:
    """One rule of a Role. names: only the objects of these names; None is all."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: pulumi.Input[list[str]] | None = None


def role(
    name: str, identity: Identity, rules: Sequence[Rule], account: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> None:
    """Create the Role `name` in the workload's namespace, and bind it to the service account."""
    made = k8s.rbac.v1.Role(
        f"{name}-role",
        metadata=metadata(name, identity),
        rules=[
            k8s.rbac.v1.PolicyRuleArgs(
                api_groups=list(rule.groups),
                resources=list(rule.resources),
                resource_names=rule.names,
                verbs=list(rule.verbs),
            )
            for rule in rules
        ],
        opts=opts,
    )
    k8s.rbac.v1.RoleBinding(
        f"{name}-role-binding",
        metadata=metadata(name, identity),
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=made.metadata.name),
        subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=identity.namespace)],
        opts=opts,
    )
