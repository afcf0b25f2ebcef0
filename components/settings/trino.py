"""Settings of the query engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.settings.base import Cpu, Duration, Model, Percent, Quantity, mebibytes

TRINO_MINIMUM_MIB = 1792

Taint = Annotated[str, Field(pattern=r"^[^=:\s]+(=[^=:\s]*)?(:(NoSchedule|PreferNoSchedule|NoExecute))?$")]


class TrinoWorkers(Model):
    """Nodes that work for the coordinator, from `minimum` to `maximum`; without any, the coordinator works itself.

    cpu_target: percent of the workers' requested cores above which one is added. queued_metric: an external metric of
    the cluster (KEDA, Prometheus adapter) that counts queued queries; one worker more for each `queued_per_worker`.
    drain_seconds: how long a worker that must go may finish what it has begun. spill: its disk for what overflows.
    """

    minimum: Annotated[int, Field(ge=0, le=100)] = 0
    maximum: Annotated[int, Field(ge=0, le=100)] = 0
    memory: Quantity = "8Gi"
    cpu: Cpu = "2"
    spill: Quantity = "20Gi"
    cpu_target: Percent = 70
    queued_metric: str | None = None
    queued_per_worker: Annotated[int, Field(ge=1, le=100)] = 4
    drain_seconds: Annotated[int, Field(ge=60, le=21600, description="seconds")] = 600
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Taint, ...] = Field(default=(), description="taints such as spot=true:NoSchedule")

    @model_validator(mode="after")
    def _range(self) -> TrinoWorkers:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.maximum > 0 and self.minimum == 0:
            raise ValueError("minimum is 0: the cluster's autoscaler starts from 1, so minimum must be at least 1")
        return self

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        return enough_for_trino(value)


class Trino(Model):
    """The query engine. The heap follows from `memory`, the container's limit.

    With workers, memory and cpu are the coordinator's. authentication: password brings HTTPS, a login for each client
    and access rules; none is plain HTTP for whoever can connect. The longest queries end by time, with an error.
    """

    memory: Quantity = "2816Mi"
    cpu: Cpu = "500m"
    workers: TrinoWorkers = TrinoWorkers()
    authentication: Literal["none", "password"] = "none"
    longest_query: Duration = "2h"
    longest_dashboard_query: Duration = "5m"

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        return enough_for_trino(value)


def enough_for_trino(value: str) -> str:
    """Return the size of a Trino node. Raises ValueError when Trino can't live in it."""
    if mebibytes(value) < TRINO_MINIMUM_MIB:
        raise ValueError(f"Trino needs {TRINO_MINIMUM_MIB}Mi: a heap of 1Gi and 768Mi beside it")
    return value
