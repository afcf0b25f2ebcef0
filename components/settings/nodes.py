"""What a node of EKS Auto Mode offers to pods: the instance types of the node pools, minus what is reserved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.settings.base import mebibytes, millicores
from components.settings.sizes import Size

# The label by which a pod chooses a pool, and the taint of the spot pool, with the label's value and this effect.
CAPACITY = "headwater/capacity"
TAINTED, EFFECT = "spot", "NoSchedule"
ARCHITECTURE, CAPACITY_TYPE, NODE_POOL = "kubernetes.io/arch", "karpenter.sh/capacity-type", "karpenter.sh/nodepool"
# Whose labels say nothing about whose a node is: those of each node of Auto Mode, and ours. All but a few of them,
# https://docs.aws.amazon.com/eks/latest/userguide/create-node-pool.html
SHARED = (
    "headwater", "kubernetes.io", "beta.kubernetes.io", "node.kubernetes.io", "topology.kubernetes.io",
    "failure-domain.beta.kubernetes.io", "karpenter.sh", "eks.amazonaws.com",
)  # fmt: skip
COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
TELLING = {NODE_POOL, "eks.amazonaws.com/nodegroup", "kubernetes.io/hostname", COMPUTE_TYPE}
# The seventh generation stands for all that the pools ask for (categories c, m, r, above the fourth): sizes and memory
# are alike. GiB of memory a core; sizes by cores. https://aws.amazon.com/ec2/instance-types/
CATEGORIES = {"c": 2, "m": 4, "r": 8}
GENERATION = {"amd64": "7i", "arm64": "7g"}
SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
# Allocatable is capacity less this. Auto Mode is Karpenter on Bottlerocket, and AWS publishes no formula of its own:
# these are Karpenter's (pkg/providers/instancetype/types.go of aws/karpenter-provider-aws, read in November 2026) and
# the kubelet's, with the most pods that a node may have, so that what fits here fits there.
VM_OVERHEAD = 0.075
RESERVED_MIB, RESERVED_MIB_A_POD, EVICTION_MIB = 255, 11, 100
PODS, PODS_FROM_32_CORES = 110, 250
RESERVED_DISK_MIB, EVICTION_DISK = 1024, 0.10
# Of the first core, the second, the next two, and all others: thousandths.
RESERVED_CPU = ((1, 60.0), (1, 10.0), (2, 5.0), (1 << 30, 2.5))


@dataclass(frozen=True)
class Room:
    """Millicores, and MiB of memory and of disk: what pods ask for, or what a node has for them."""

    cpu: int
    memory: int
    disk: int

    def holds(self, other: Room) -> bool:
        """Return whether the other fits in."""
        return other.cpu <= self.cpu and other.memory <= self.memory and other.disk <= self.disk

    def __add__(self, other: Room) -> Room:
        return Room(self.cpu + other.cpu, self.memory + other.memory, self.disk + other.disk)

    def text(self) -> str:
        """Return it for a reader: 7,000m cores, 27.0 GiB, disk 45.0 GiB."""
        return f"{self.cpu:,}m cores, {self.memory / 1024:.1f} GiB, disk {self.disk / 1024:.1f} GiB"


NOTHING = Room(0, 0, 0)
# What CloudWatch's add-on runs on each node, by its chart's requests: the agent and Fluent Bit.
AGENTS = Room(300, 153, 0)
# The pods of the add-on metrics-server, by its requests.
METRICS_SERVER, METRICS_SERVERS = Room(100, 200, 0), 2


@dataclass(frozen=True)
class Instance:
    """An instance type. family: m7g; size: xlarge."""

    family: str
    size: str

    @property
    def name(self) -> str:
        """Its name in EC2."""
        return f"{self.family}.{self.size}"

    @property
    def cores(self) -> int:
        """Its cores."""
        return SIZES[self.size]

    @property
    def gib(self) -> int:
        """Its memory in GiB, as EC2 advertises it."""
        return self.cores * CATEGORIES[self.family[0]]

    def allocatable(self, disk: str) -> Room:
        """Return what pods may ask of a node with such a disk."""
        pods = PODS_FROM_32_CORES if self.cores >= 32 else PODS
        memory = int(self.gib * 1024 * (1 - VM_OVERHEAD)) - RESERVED_MIB - RESERVED_MIB_A_POD * pods - EVICTION_MIB
        left, reserved = self.cores, 0.0
        for cores, thousandths in RESERVED_CPU:
            reserved += min(left, cores) * thousandths
            left -= min(left, cores)
        return Room(
            int(self.cores * 1000 - reserved), memory, int(mebibytes(disk) * (1 - EVICTION_DISK)) - RESERVED_DISK_MIB
        )


def instances(architectures: Iterable[str], cpu: int) -> list[Instance]:
    """Return the types that a pool with at most `cpu` cores may start."""
    families = [category + GENERATION[each] for each in architectures for category in CATEGORIES]
    return [Instance(family, size) for family in families for size, cores in SIZES.items() if cores <= cpu]


def is_shared(label: str) -> bool:
    """Return whether nodes of the pools carry the label as well as somebody's own nodes do."""
    return label.partition("/")[0] in SHARED and label not in TELLING


def labels(pool: str, capacity: str, architectures: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return what is known of the labels of a pool's nodes: label → the values that it may have."""
    known = {
        CAPACITY: [capacity],
        CAPACITY_TYPE: [capacity],
        NODE_POOL: [pool],
        COMPUTE_TYPE: ["auto"],
        ARCHITECTURE: architectures,
        "kubernetes.io/os": ["linux"],
        "eks.amazonaws.com/instance-category": CATEGORIES,
    }
    return {label: frozenset(values) for label, values in known.items()}


def tolerated(tolerations: Iterable[tuple[str, str | None, str | None]]) -> frozenset[str]:
    """Return the taints that these tolerate, by their keys. tolerations: key, value and effect; None is any."""
    found = [(key, value in {None, TAINTED} and effect in {None, EFFECT}) for key, value, effect in tolerations]
    return frozenset(key for key, spot in found if spot or key != CAPACITY)


def asked(size: Size) -> Room:
    """Return what a pod of that size asks of its node."""
    return Room(millicores(size.cpu), mebibytes(size.memory), 0 if size.disk is None else mebibytes(size.disk))


def largest(types: Sequence[Instance], disk: str) -> Room:
    """Return the most that a node of these types has of each."""
    rooms = [each.allocatable(disk) for each in types] or [NOTHING]
    return Room(max(r.cpu for r in rooms), max(r.memory for r in rooms), max(r.disk for r in rooms))
