"""A small evaluator of IAM policies: what AWS decides for one identity's own policy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from tests.unit.components.conftest import Resource, plain

Document = Mapping[str, Any]


def allowed(document: Document, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Return whether the policy allows the action on the resource (an ARN); a denial wins.

    context: condition keys of the request. A condition on a key that the request lacks does not hold.
    """
    decisions = {
        statement["Effect"]
        for statement in listed(document["Statement"])
        if covers(statement, "Action", action, ignore_case=True)
        and covers(statement, "Resource", resource)
        and holds(statement.get("Condition", {}), {} if context is None else context)
    }
    return decisions == {"Allow"}


def covers(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    """Return whether the statement is about an action or a resource: one that it names, or all but those it names."""
    patterns = statement.get(element, statement.get(f"Not{element}"))
    named = any(matches(pattern, value, ignore_case=ignore_case) for pattern in listed(patterns))
    return named is (element in statement)


def holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Return whether all conditions hold. Raises KeyError for an operator that this evaluator lacks."""
    operators: dict[str, Callable[[str, str], bool]] = {
        "StringEquals": lambda pattern, value: pattern == value,
        "StringLike": matches,
        "ArnEquals": matches,
        "ArnLike": matches,
        "Bool": lambda pattern, value: pattern == value,
    }
    return all(
        key in context and any(operators[operator](pattern, context[key]) for pattern in listed(patterns))
        for operator, keys in conditions.items()
        for key, patterns in keys.items()
    )


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Return whether the value matches a pattern of IAM: `*` any text, `?` any one letter."""
    return expression(pattern, re.I if ignore_case else 0).fullmatch(value) is not None


@cache
def expression(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern), flags)


def listed(value: Any) -> list[Any]:
    """Return the value as a list: IAM writes one element without."""
    return value if isinstance(value, list) else [value]


def documents(resources: Iterable[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every policy document of the program with the name of its resource."""
    for resource in resources:
        for name, value in plain(resource.inputs).items():
            written = resource.type.startswith("aws:") and name in {"policy", "assumeRolePolicy"}
            # A repository's lifecycle is called a policy too.
            if written and resource.kind != "LifecyclePolicy":
                yield f"{resource.kind} {resource.name}", json.loads(value)
