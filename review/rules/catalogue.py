"""All rules, and how they are run over a stack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from review.resources import Resource
from review.rules import aws, policies, serving, stack, workloads
from review.rules.base import Requirements, ResourceRule, StackRule, Violation

RESOURCE_RULES = (
    ResourceRule("encrypted-at-rest", "What holds data encrypts it.", aws.encrypted_at_rest),
    ResourceRule("not-public", "Nothing answers the whole internet.", aws.not_public),
    ResourceRule("services-not-public", "No Service is on the internet.", workloads.not_on_the_internet),
    ResourceRule("keys-rotate", "KMS keys rotate.", aws.keys_rotate),
    ResourceRule("no-wildcard-iam", "No wildcard of actions on every resource.", policies.no_wildcards),
    ResourceRule("roles-name-principals", "Roles name who may assume them.", policies.assumed_by_someone),
    ResourceRule("images-by-digest", "Images are named by digest.", workloads.images_by_digest),
    ResourceRule("limits-and-probes", "Workloads have limits and probes.", workloads.limited_and_probed),
    ResourceRule("https-only", "Load balancers speak HTTPS, with present ciphers.", serving.https_only),
    ResourceRule("login-first", "Nothing from outside gets to a pod before a login.", serving.login_first),
    ResourceRule("no-root", "Workloads have no privileges.", workloads.no_root),
)
STACK_RULES = (
    StackRule("buckets-guarded", "Buckets are encrypted, private and TLS only.", stack.buckets_are_guarded),
    StackRule("tagged", "Resources say whose they are.", stack.tagged),
    StackRule("deletion-protection", "Data can't be destroyed where the settings say so.", stack.protected),
)
EXCEPTIONS = Path(__file__).with_name("exceptions.yaml")
_AWS = "headwater:aws"


def requirements(config: Mapping[str, Any]) -> Requirements:
    """Return what a stack's configuration asks for; `headwater:aws` may be JSON text or parsed.

    A stack without AWS asks for nothing; one with AWS protects its data unless it says otherwise, as the program does.
    """
    found = config.get(_AWS)
    if isinstance(found, str):
        found = json.loads(found)
    if not isinstance(found, Mapping):
        return Requirements()
    return Requirements(
        deletion_protection=bool(found.get("deletion_protection", True)),
        tls=not str(found.get("endpoint", "")).startswith("http://"),
    )


def exceptions(path: Path = EXCEPTIONS) -> dict[tuple[str, str], str]:
    """Return {(rule, `type name`): reason}. Raises ValueError for an entry that lacks its reason or names no rule."""
    names = {each.name for each in (*RESOURCE_RULES, *STACK_RULES)}
    found = {}
    for number, entry in enumerate(yaml.safe_load(path.read_text()) or []):
        place = f"{path.name} entry {number + 1}"
        if not isinstance(entry, dict) or set(entry) != {"rule", "resource", "reason"} or not entry["reason"]:
            raise ValueError(f"{place} is {entry!r}; it needs rule, resource and reason")
        if entry["rule"] not in names:
            raise ValueError(f"{place}: rule={entry['rule']!r} is not known; known: {', '.join(sorted(names))}")
        found[(entry["rule"], entry["resource"])] = entry["reason"]
    return found


def broken(resources: Sequence[Resource], wanted: Requirements) -> list[tuple[str, Violation]]:
    """Return (rule, violation) of every rule that a stack breaks, without the exceptions that have a reason."""
    found = [(rule.name, each) for resource in resources for rule in RESOURCE_RULES for each in rule.check(resource)]
    found += [(rule.name, each) for rule in STACK_RULES for each in rule.check(resources, wanted)]
    allowed = exceptions()
    return [(name, each) for name, each in found if (name, f"{each.resource.type} {each.resource.name}") not in allowed]


def lines(found: Sequence[tuple[str, Violation]]) -> list[str]:
    """Return the violations, a line each, with the rule's name."""
    return [f"{name}: {violation.text()}" for name, violation in found]
