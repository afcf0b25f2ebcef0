"""No pod without its identity: the API server refuses a pod that has a role but did not get the role's credentials."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from components import settings
from components.aws.observability import AGENT, AGENT_NAMESPACE

NAME = "headwater-identity"
# What EKS Pod Identity puts into every container of a pod, and AWS's clients look for:
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
CREDENTIALS = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
EVERY_CONTAINER = (
    f"object.spec.containers.all(c, has(c.env) && c.env.exists(variable, variable.name == '{CREDENTIALS}'))"
)
# A pod that a node runs by itself has no account.
ACCOUNT = "has(object.spec.serviceAccountName) && (request.namespace + '/' + object.spec.serviceAccountName)"
WHY = (
    "'pods of ' + request.namespace + '/' + object.spec.serviceAccountName + ' have a role, and EKS Pod Identity gave "
    "this one no credentials: its association is not in force yet, or gone. Whatever starts the pod tries again.'"
)


def identities(stack: settings.Settings) -> list[str]:
    """Return the service accounts whose pods have a role in AWS, as `namespace/name`; none outside of EKS."""
    if stack.kubernetes.kind != "eks":
        return []
    here = stack.kubernetes.namespace
    found = []
    if stack.storage.kind == "s3":
        found += [f"{here}/trino", f"{here}/ingestion"]
        if stack.catalog.kind == "rest" and stack.catalog.uri is None:
            found.append(f"{here}/catalog")
    if stack.database.kind == "rds":
        found.append(f"{here}/database-init")
    if stack.observability.kind != "none":
        found += [f"{here}/dagster", f"{AGENT_NAMESPACE}/{AGENT}"]
    return sorted(found)


def policy(accounts: Sequence[str]) -> k8s.admissionregistration.v1.ValidatingAdmissionPolicySpecArgs:
    """Return what is asked of the pods of these service accounts, `namespace/name` each."""
    return k8s.admissionregistration.v1.ValidatingAdmissionPolicySpecArgs(
        failure_policy="Fail",
        match_constraints=k8s.admissionregistration.v1.MatchResourcesArgs(
            resource_rules=[
                k8s.admissionregistration.v1.NamedRuleWithOperationsArgs(
                    api_groups=[""], api_versions=["v1"], resources=["pods"], operations=["CREATE"]
                )
            ]
        ),
        match_conditions=[
            k8s.admissionregistration.v1.MatchConditionArgs(
                name="has-a-role",
                expression=f"{ACCOUNT} in {json.dumps([*accounts])}",
            )
        ],
        validations=[k8s.admissionregistration.v1.ValidationArgs(expression=EVERY_CONTAINER, message_expression=WHY)],
    )


def gate(accounts: Sequence[str], opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
    """Make the policy and put it in force; return what must be there before the first pod of these accounts.

    Controllers try a refused pod again, each time as a new pod that EKS may give its credentials. A container that
    ends, or fails a probe, would be started again in the same pod, which never gets any.
    """
    asked = k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
        "identity-policy", metadata=k8s.meta.v1.ObjectMetaArgs(name=NAME), spec=policy(accounts), opts=opts
    )
    in_force = k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
        "identity-policy-binding",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=NAME),
        spec=k8s.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpecArgs(
            policy_name=asked.metadata.name, validation_actions=["Deny"]
        ),
        opts=opts,
    )
    return (asked, in_force)
