"""How pods share nodes: calculated as Auto Mode would choose, from the pods' requests and the node pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from components.settings.nodes import ARCHITECTURE, NOTHING, Instance, Room, instances, is_shared

Price = Callable[[Instance], float]


@dataclass(frozen=True)
class Pods:
    """Pods of one kind. least: how many always run; most: at once, at the maximum of scaling and with every Job.

    asleep: how many run while the stack sleeps. selector: of nodes. taints: keys that they tolerate. apart: one a node.
    """

    name: str
    room: Room
    least: int = 0
    most: int = 1
    asleep: int = 0
    selector: Mapping[str, str] = field(default_factory=dict)
    taints: frozenset[str] = frozenset()
    apart: bool = False


@dataclass(frozen=True)
class Pool:
    """A node pool. cpu: its ceiling of cores. spot: whether it may be cut off, and costs less.

    labels: of its nodes, as far as they are known: label → the values that it may have.
    """

    name: str
    labels: Mapping[str, frozenset[str]]
    taints: frozenset[str]
    architectures: tuple[str, ...]
    cpu: int
    disk: str
    spot: bool

    def takes(self, pods: Pods) -> bool:
        """Return whether the pods may go there."""
        return self.taints <= pods.taints and all(self.may_have(*each) for each in pods.selector.items())

    def may_have(self, label: str, value: str) -> bool:
        """Return whether a node of the pool may have the label. Of zones and sizes nothing is known: it may."""
        return value in self.labels[label] if label in self.labels else is_shared(label)

    def processors(self, pods: Pods) -> tuple[str, ...]:
        """Return the architectures of the pool's nodes that the pods may go to."""
        return tuple(each for each in self.architectures if pods.selector.get(ARCHITECTURE, each) == each)


def for_others(pods: Pods, pools: Iterable[Pool]) -> bool:
    """Return whether the pods are for nodes of somebody's own: they select a label that tells them from the pools'."""
    telling = [each for each in pods.selector.items() if not is_shared(each[0])]
    return any(not any(pool.may_have(*each) for pool in pools) for each in telling)


@dataclass
class Node:
    """A node: of which pool and type, which architectures suit what is on it, and what that is."""

    pool: Pool
    instance: Instance
    processors: tuple[str, ...]
    pods: list[str] = field(default_factory=list)
    used: Room = NOTHING

    def text(self) -> str:
        """Return what is on it: 2 superset, trino."""
        return ", ".join(each.removeprefix("1 ") for each in counted(self.pods).split(", "))


def counted(names: Sequence[str]) -> str:
    """Return names with how often they are there: 2 superset, 1 trino."""
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


@dataclass(frozen=True)
class Layout:
    """Nodes, and the pods that find no place on any that the pools may still start.

    elsewhere: pods for nodes that no pool here makes, by their selector.
    """

    nodes: tuple[Node, ...]
    waiting: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def pack(pods: Iterable[Pods], pools: Sequence[Pool], agents: Room, price: Price) -> Layout:
    """Return the nodes for these pods, one element a pod."""
    nodes: list[Node] = []
    waiting: list[str] = []
    elsewhere: list[str] = []
    for pod in sorted(pods, key=lambda each: (-each.room.cpu, -each.room.memory, each.name)):
        pool = next((each for each in pools if each.takes(pod)), None)
        if pool is None and for_others(pod, pools):
            elsewhere.append(pod.name)
        elif pool is None or not _placed(pod, pool, nodes, agents, price):
            waiting.append(pod.name)
    return Layout(tuple(nodes), tuple(waiting), tuple(elsewhere))


def _placed(pod: Pods, pool: Pool, nodes: list[Node], agents: Room, price: Price) -> bool:
    mine = [each for each in nodes if each.pool == pool]
    others = sum(each.instance.cores for each in mine)
    if _shares(pod, [each for each in mine if not (pod.apart and pod.name in each.pods)], others, price):
        return True
    suits = pool.processors(pod)
    found = _cheapest(pool, suits, agents + pod.room, pool.cpu - others, price)
    if found is not None:
        nodes.append(Node(pool, found, suits, [pod.name], agents + pod.room))
        return True
    # The scheduler keeps pods apart as long as it can (ScheduleAnyway), and no longer.
    return pod.apart and _shares(pod, mine, others, price)


def _shares(pod: Pods, nodes: Sequence[Node], others: int, price: Price) -> bool:
    """Put the pod onto the first of a pool's nodes that can hold it; others: cores of all nodes of the pool."""
    for node in nodes:
        pool = node.pool
        left = pool.cpu - (others - node.instance.cores)
        suits = tuple(each for each in pool.processors(pod) if each in node.processors)
        found = _cheapest(pool, suits, node.used + pod.room, left, price)
        if found is not None:
            node.instance, node.used, node.processors = found, node.used + pod.room, suits
            node.pods.append(pod.name)
            return True
    return False


def _cheapest(pool: Pool, processors: Iterable[str], wanted: Room, cpu: int, price: Price) -> Instance | None:
    fitting = [each for each in instances(processors, cpu) if each.allocatable(pool.disk).holds(wanted)]
    return min(fitting, key=price, default=None)
