"""Settings of the query engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.settings.base import Allowed, Cpu, Duration, Model, Percent, Quantity, WrongField, mebibytes
from components.settings.sizes import Size

TRINO_MINIMUM_MIB = 1792
# What a node of Trino writes beside its spill: 4 GiB of its own data, /tmp, a coordinator's folder of a GiB, logs.
BESIDE_SPILL_MIB = 5 * 1024
SERVER_DISK = "6Gi"

Taint = Annotated[
    str,
    Field(pattern=r"^[^=:\s]+(=[^=:\s]*)?(:(NoSchedule|PreferNoSchedule|NoExecute))?$"),
    Allowed("a taint such as spot=true:NoSchedule"),
]


class TrinoWorkers(Model):
    """Pods that work for the coordinator, as many as the load asks for. Without any, the coordinator works itself."""

    minimum: int = Field(default=0, ge=0, le=100, description="The fewest workers: 1 at least, where there are any.")
    maximum: int = Field(default=0, ge=0, le=100, description="The most workers. With 0 there are none.")
    memory: Quantity = Field(default="8Gi", description="A worker's memory, all of it asked for: 1792Mi at least.")
    cpu: Cpu = Field(default="2", description="A worker's cores.")
    spill: Quantity = Field(
        default="20Gi", description="A worker's disk for what overflows its memory, in queries that are large."
    )
    disk: Quantity | None = Field(
        default=None,
        description="What a worker keeps of its node's disk, the spill included. Not set: the spill and 5Gi.",
    )
    cpu_target: Percent = Field(
        default=70, description="How busy the workers' cores may be before one is added, in percent."
    )
    queued_metric: str | None = Field(
        default=None,
        description="An external metric of the cluster (of KEDA or Prometheus' adapter) that counts the queries that "
        "wait. Not set: only the cores count.",
    )
    queued_per_worker: int = Field(
        default=4, ge=1, le=100, description="One worker is added for so many queries that wait, by `queued_metric`."
    )
    drain_seconds: int = Field(
        default=600, ge=60, le=21600, description="Seconds that a worker which must go has to finish what it has begun."
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict,
        description="Labels of the nodes that workers run on. Empty, and without tolerations: spot nodes on EKS.",
    )
    tolerations: tuple[Taint, ...] = Field(default=(), description="Taints of nodes that workers tolerate.")

    @model_validator(mode="after")
    def _range(self) -> TrinoWorkers:
        if self.minimum > self.maximum:
            raise WrongField("minimum", self.minimum, f"it is above maximum {self.maximum}; raise that too")
        if self.maximum > 0 and self.minimum == 0:
            why = f"with maximum {self.maximum} it must be at least 1: the cluster's autoscaler starts from 1"
            raise WrongField("minimum", 0, why)
        if self.disk is not None and mebibytes(self.disk) < mebibytes(self.spill) + BESIDE_SPILL_MIB:
            least = mebibytes(self.spill) + BESIDE_SPILL_MIB
            why = f"it does not hold spill {self.spill} and all else: {least}Mi at least"
            raise WrongField("disk", self.disk, why)
        return self

    @property
    def size(self) -> Size:
        """A worker's size. It asks for all that it may use: a node that promised the same memory, or the same disk,
        twice would end a worker at its busiest.
        """
        disk = self.disk or f"{mebibytes(self.spill) + BESIDE_SPILL_MIB}Mi"
        return Size(cpu=self.cpu, memory=self.memory, memory_limit=self.memory, disk=disk)

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        return enough_for_trino(value)


class Trino(Model):
    """The query engine: one node, or a coordinator with workers."""

    memory: Quantity = Field(
        default="2816Mi",
        description="The memory of the one node, or of the coordinator, which asks for all of it: 1792Mi at least. "
        "Java's heap follows from it.",
    )
    cpu: Cpu = Field(default="500m", description="The cores that the one node, or the coordinator, asks for.")
    alone_memory: Quantity = Field(
        default="1Gi",
        description="The memory that the one node asks for where there are no workers: it returns what its heap does "
        "not use.",
    )
    disk: Quantity | None = Field(
        default=None,
        description="What it keeps of its node's disk. Not set: nothing is asked for, except on EKS, where it is 6Gi.",
    )
    workers: TrinoWorkers = TrinoWorkers()
    authentication: Literal["none", "password"] = Field(
        default="none",
        description="`password` brings HTTPS, a login for each client and access rules. `none` is plain HTTP for "
        "whoever can connect.",
    )
    longest_query: Duration = Field(default="2h", description="How long a query may run; then it ends with an error.")
    longest_dashboard_query: Duration = Field(
        default="5m", description="How long a query of a dashboard may run; then it ends with an error."
    )

    @property
    def size(self) -> Size:
        """The size of the one node, or of the coordinator."""
        requested = self.memory if self.workers.maximum > 0 else self.alone_memory
        return Size(cpu=self.cpu, memory=requested, memory_limit=self.memory, disk=self.disk)

    def with_disk(self) -> Trino:
        """Return the same with a disk."""
        return self if self.disk is not None else self.model_copy(update={"disk": SERVER_DISK})

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        return enough_for_trino(value)


def enough_for_trino(value: str) -> str:
    """Return the size of a Trino node. Raises ValueError when Trino can't live in it."""
    if mebibytes(value) < TRINO_MINIMUM_MIB:
        raise ValueError(f"Trino needs {TRINO_MINIMUM_MIB}Mi: a heap of 1Gi and 768Mi beside it")
    return value
