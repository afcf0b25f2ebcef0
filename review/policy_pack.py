"""The rules as policies of Pulumi's own policy packs; `review/pack` serves them to the CLI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi_policy import (
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Secret,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from review.resources import SECRET, Resource
from review.rules import catalogue
from review.rules.base import ResourceRule, StackRule


def policies() -> Iterator[Policy]:
    """Yield every rule as a policy; a rule about one resource refuses it before it is made."""
    for rule in catalogue.RESOURCE_RULES:
        yield ResourceValidationPolicy(rule.name, rule.description, _of_resource(rule))
    for stack_rule in catalogue.STACK_RULES:
        yield StackValidationPolicy(stack_rule.name, stack_rule.description, _of_stack(stack_rule))


def readable(value: Any) -> Any:
    """Return a property as plain data: `[secret]` for secrets, Pulumi's marker for what isn't known yet.

    The policy SDK raises when an unknown value is looked at, which would end the rule for the whole resource.
    """
    if isinstance(value, Secret):
        return SECRET
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return readable(container[key])
    except UnknownValueError as error:
        return error.unknown_type_sentinel


def _resource(given: ResourceValidationArgs | PolicyResource) -> Resource:
    depends = getattr(given, "property_dependencies", {})
    provider = given.provider
    inputs = readable(given.props)
    return Resource(
        type=given.resource_type,
        name=given.name,
        inputs=inputs,
        urn=given.urn,
        identity=inputs.get("id"),
        protect=given.opts.protect,
        # The provider's id is not told; what it stands for here is only which provider it is.
        provider="" if provider is None else f"{provider.urn}::",
        depends={name: [each.urn for each in of] for name, of in depends.items()},
    )


def _of_resource(rule: ResourceRule) -> Any:
    def validate(given: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = _resource(given)
        if (rule.name, f"{resource.type} {resource.name}") in catalogue.exceptions():
            return
        for violation in rule.check(resource):
            report(violation.text(), None)

    return validate


def _of_stack(rule: StackRule) -> Any:
    def validate(given: StackValidationArgs, report: ReportViolation) -> None:
        resources = [_resource(each) for each in given.resources]
        wanted = catalogue.requirements({"headwater:aws": pulumi.Config("headwater").get("aws")})
        for violation in rule.check(resources, wanted):
            if (rule.name, f"{violation.resource.type} {violation.resource.name}") not in catalogue.exceptions():
                report(violation.text(), violation.resource.urn)

    return validate
