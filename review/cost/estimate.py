"""Prices a stack's resources for a month: one line a resource and part, and what has no price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from review.cost.parts import FREE, FREE_SERVICES, RULES, Part, Unpriced
from review.cost.tables import Prices, Usage
from review.resources import Resource


@dataclass(frozen=True)
class Line:
    """One priced part of a resource, in USD a month."""

    resource: Resource
    what: str
    usd: float


@dataclass(frozen=True)
class Estimate:
    """A month. unpriced: what costs money and has no price here, each with the reason. free: how many cost nothing."""

    lines: tuple[Line, ...]
    unpriced: tuple[str, ...] = ()
    free: int = 0

    @property
    def total(self) -> float:
        """USD a month of all lines."""
        return sum(line.usd for line in self.lines)


def on_aws(resources: Sequence[Resource]) -> bool:
    """Return whether anything of the stack is billed by AWS; disks and load balancers of workloads then are too."""
    return any(each.type.startswith("aws:") for each in resources)


def estimate(resources: Sequence[Resource], prices: Prices, usage: Usage) -> Estimate:
    """Return the month of a stack's resources, which are on AWS.

    A resource of AWS whose type has no rule is listed as not priced, unless it is known to be free.
    """
    lines: list[Line] = []
    unpriced: list[str] = []
    free = 0
    for resource in resources:
        rule = RULES.get(resource.type)
        if rule is None:
            if _is_free(resource):
                free += 1
            elif resource.type.startswith("aws:"):
                unpriced.append(f"{resource.label}: no price is known for {resource.type}")
            continue
        try:
            for part in rule(resource, usage):
                lines.append(Line(resource, part.what, _cost(part, prices)))
        except Unpriced as error:
            unpriced.append(f"{resource.label}: {error}")
    lines.sort(key=lambda line: (-line.usd, line.resource.type, line.resource.name, line.what))
    return Estimate(tuple(lines), tuple(sorted(unpriced)), free)


def _cost(part: Part, prices: Prices) -> float:
    usd = part.quantity
    for name in (part.price, part.times):
        if name is not None:
            price = prices.of(name)
            if price is None:
                raise Unpriced(f"{prices.region} has no price {name} ({part.what})")
            usd *= price
    return usd


def _is_free(resource: Resource) -> bool:
    if not resource.type.startswith("aws:"):
        return False
    return resource.type in FREE or resource.type.split(":")[1].split("/")[0] in FREE_SERVICES
