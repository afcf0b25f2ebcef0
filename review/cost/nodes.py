"""The cost of Auto Mode's nodes: no resource describes them, and they are the largest part of the bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.settings.nodes import Instance
from components.settings.packing import Layout, Node, counted
from review.cost.parts import Part, Unpriced
from review.cost.tables import Prices, Usage
from review.nodes import Plan, plan
from review.resources import Resource


def planned(resources: Sequence[Resource], prices: Prices) -> Plan | None:
    """Return the nodes that the stack's pods need, by the region's prices; None where no node pool is among them."""
    return plan(resources, lambda each: price(each, prices))


def price(instance: Instance, prices: Prices) -> float:
    """Return USD an hour on demand: EC2's prices grow with the cores. Raises Unpriced."""
    name = _price(instance)
    large = prices.of(name)
    if large is None:
        raise Unpriced(f"{prices.region} has no price {name}")
    return large * instance.cores / 2


def parts(nodes: Plan, usage: Usage) -> Iterator[Part]:
    """Yield the nodes of a month: those at the least, and for the busy part of the time those at the most.

    While the stack sleeps, those that stay.
    """
    busy = usage.busy * usage.awake
    shares = ((nodes.least, usage.awake - busy), (nodes.most, busy), (nodes.asleep, 1 - usage.awake))
    hours: dict[tuple[str, bool], tuple[Node, float]] = {}
    for layout, share in shares:
        for node in layout.nodes:
            key = (node.instance.name, node.pool.spot)
            hours[key] = (node, hours.get(key, (node, 0.0))[1] + share * usage.hours)
    for (name, spot), (node, count) in sorted(hours.items()):
        off, large = usage.spot_discount if spot else 0.0, node.instance.cores / 2
        kind = f"spot, {off:.0%} off" if spot else "on demand"
        average = f"{count / usage.hours:.1f} x {name} {kind}"
        yield Part(_price(node.instance), count * large * (1 - off), average)
        yield Part(_price(node.instance), count * large, f"Auto Mode's fee for {name}", times="eks.auto_mode")
    disks = sum(count / usage.hours * _gib(node.pool.disk) for node, count in hours.values())
    yield Part("ebs.gp3", disks, f"nodes' disks, {disks:,.0f} GB")


def month(layout: Layout, prices: Prices, usage: Usage) -> float:
    """Return USD of a month in which just these nodes run."""
    total = 0.0
    for node in layout.nodes:
        hour = price(node.instance, prices)
        off = usage.spot_discount if node.pool.spot else 0.0
        total += usage.hours * hour * (1 - off + (prices.of("eks.auto_mode") or 0))
        total += _gib(node.pool.disk) * (prices.of("ebs.gp3") or 0)
    return total


def screen(nodes: Plan, prices: Prices, usage: Usage) -> list[str]:
    """Return which pods are on which node, at the least and at the most, and what such a month costs."""
    lines = []
    for title, layout in (("least", nodes.least), ("most", nodes.most)):
        usd = month(layout, prices, usage)
        lines.append(f"Nodes at the {title}, {usd:,.0f} a month if it stayed so:")
        for node in layout.nodes:
            room = node.instance.allocatable(node.pool.disk)
            lines.append(f"  {node.instance.name:<12} {node.pool.name}: {node.text()}")
            lines.append(f"  {'':<12}   asked for, agents included: {node.used.text()}; there is: {room.text()}")
        if layout.waiting:
            lines.append(f"  no place, by the pools' ceilings: {counted(layout.waiting)}")
        if layout.elsewhere:
            lines.append(f"  on nodes of your own, not priced: {counted(layout.elsewhere)}")
    return lines


def _price(instance: Instance) -> str:
    return f"ec2.{instance.family}.large"


def _gib(quantity: str) -> float:
    return float(quantity[:-2]) / (1 if quantity.endswith("Gi") else 1024)
