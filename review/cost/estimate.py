"""The monthly price of a stack's resources: one line for each part of a resource, and a list of what has no price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from review.cost.parts import FREE, FREE_SERVICES, RULES, Part, Unpriced
from review.cost.tables import Prices, Usage
from review.resources import Resource

CLUSTER = "aws:eks/cluster:Cluster"


@dataclass(frozen=True)
class Line:
    """One priced part of a resource, in USD a month."""

    resource: Resource
    what: str
    usd: float


@dataclass(frozen=True)
class Estimate:
    """A month. unpriced: what costs money and has no price here, each with the reason. free: how many cost nothing.

    nodes: what Auto Mode starts for the pods, in words. waiting: pods that no node holds, and that have no price.
    """

    lines: tuple[Line, ...]
    unpriced: tuple[str, ...] = ()
    free: int = 0
    nodes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

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
    told: list[str] = []
    waiting: tuple[str, ...] = ()
    for cluster in (each for each in resources if each.type == CLUSTER and each.at("computeConfig", "enabled") is True):
        try:
            told, waiting = _nodes(cluster, resources, prices, usage, lines)
        except Unpriced as error:
            unpriced.append(f"{cluster.label}: {error}")
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
    return Estimate(tuple(lines), tuple(sorted(unpriced)), free, tuple(told), waiting)


def _nodes(
    cluster: Resource, resources: Sequence[Resource], prices: Prices, usage: Usage, lines: list[Line]
) -> tuple[list[str], tuple[str, ...]]:
    """Add the lines of a cluster's nodes; return which pods are on which, and which on none. Raises Unpriced."""
    # Imported here: the settings' library, which knows the nodes' sizes, takes half a second to load.
    from review.cost import nodes

    found = nodes.planned(resources, prices)
    if found is None:
        raise Unpriced("its nodes follow from node pools and pods, and no node pool is listed")
    lines += [Line(cluster, part.what, _cost(part, prices)) for part in nodes.parts(found, usage)]
    return nodes.screen(found, prices, usage), found.most.waiting


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
