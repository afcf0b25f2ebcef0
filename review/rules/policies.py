"""Rules about IAM: policy documents are parsed, not searched as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from review.resources import Resource, known
from review.rules.base import Violation

NOT_PRINCIPAL = "name the principals, or add a condition that does"
# Resources of IAM that carry a policy of an identity, and the input that holds it. A key's or bucket's own policy is
# not among them: there `*` means the resource that carries it.
_IDENTITY_POLICIES = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
}
_ATTACHMENTS = ("aws:iam/rolePolicyAttachment:", "aws:iam/userPolicyAttachment:", "aws:iam/groupPolicyAttachment:")
_ALL_POWERFUL = {"AdministratorAccess", "PowerUserAccess", "IAMFullAccess"}


def statements(document: Any) -> list[Mapping[str, Any]]:
    """Return the statements of a policy given as JSON or parsed; none where it isn't known yet or is no policy."""
    if isinstance(document, str):
        if not known(document):
            return []
        try:
            document = json.loads(document)
        except ValueError:
            return []
    found = document.get("Statement", []) if isinstance(document, Mapping) else []
    return [found] if isinstance(found, Mapping) else [each for each in found if isinstance(each, Mapping)]


def texts(value: Any) -> list[str]:
    """Return the one or many strings of a policy's element."""
    return [value] if isinstance(value, str) else [str(each) for each in value or []]


def no_wildcards(resource: Resource) -> Iterator[Violation]:
    """No identity may do a wildcard of actions on every resource."""
    if resource.type in _IDENTITY_POLICIES:
        property_name = _IDENTITY_POLICIES[resource.type]
        yield from _wildcards(resource, property_name, resource.at(property_name))
    if resource.type == "aws:iam/role:Role":
        for number, each in enumerate(resource.at("inlinePolicies") or []):
            if isinstance(each, Mapping):
                yield from _wildcards(resource, f"inlinePolicies[{number}].policy", each.get("policy"))
        for arn in resource.at("managedPolicyArns") or []:
            yield from _all_powerful(resource, "managedPolicyArns", arn)
    if resource.type.startswith(_ATTACHMENTS):
        yield from _all_powerful(resource, "policyArn", resource.at("policyArn"))


def assumed_by_someone(resource: Resource) -> Iterator[Violation]:
    """A role's trust policy names who may assume it."""
    if resource.type == "aws:iam/role:Role":
        for statement in open_statements(resource.at("assumeRolePolicy")):
            found = {key: statement.get(key) for key in ("Principal", "Action")}
            yield Violation(resource, "assumeRolePolicy", found, NOT_PRINCIPAL)


def open_statements(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the statements that allow something to everyone, without a condition."""
    for statement in statements(document):
        principal = statement.get("Principal")
        everyone = principal == "*" or (
            isinstance(principal, Mapping) and any("*" in texts(value) for value in principal.values())
        )
        if statement.get("Effect") == "Allow" and everyone and not statement.get("Condition"):
            yield statement


def refuses_plain_http(document: Any) -> bool:
    """Return whether a bucket's policy denies everyone every action without TLS."""
    for statement in statements(document):
        condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        everyone = statement.get("Principal") in ("*", {"AWS": "*"})
        whole = "s3:*" in texts(statement.get("Action")) or "*" in texts(statement.get("Action"))
        if statement.get("Effect") == "Deny" and everyone and whole and str(condition).lower() == "false":
            return True
    return False


def _wildcards(resource: Resource, property_name: str, document: Any) -> Iterator[Violation]:
    for number, statement in enumerate(statements(document)):
        if statement.get("Effect") != "Allow" or "*" not in texts(statement.get("Resource")):
            continue
        place = f"{property_name} statement {statement.get('Sid', number)}"
        for action in texts(statement.get("Action")):
            if "*" in action:
                yield Violation(resource, place, f"{action} on *", "list the actions, or name the resources")
        if "NotAction" in statement:
            yield Violation(resource, place, "NotAction on *", "list the actions that are allowed")


def _all_powerful(resource: Resource, property_name: str, arn: Any) -> Iterator[Violation]:
    if str(arn).rsplit("/", 1)[-1] in _ALL_POWERFUL:
        yield Violation(resource, property_name, arn, "attach a policy with the actions that are needed")
