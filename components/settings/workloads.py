"""Settings of the workloads that stand on the roles: limits, mostly."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings.base import Cpu, DnsLabel, Model, Quantity


class Ingestion(Model):
    """One ingestion run's limits, and how many further pods of the same may read a very large table with it."""

    memory: Quantity = "2Gi"
    cpu: Cpu = "250m"
    reader_pods: Annotated[int, Field(ge=0, le=64)] = 1


class Orchestration(Model):
    """Dagster: limits of each of its servers."""

    webserver_memory: Quantity = "768Mi"
    daemon_memory: Quantity = "768Mi"
    code_memory: Quantity = "1Gi"


class Cache(Model):
    """A Redis in the cluster for Superset, with its limit, or none: then each web server remembers for itself."""

    kind: Literal["none", "in_cluster"] = "none"
    memory: Quantity = "256Mi"


class Dashboards(Model):
    """Superset: threads that answer requests, and its limit.

    workers: how many long queries of SQL Lab run at once, apart from the web servers; they need the cache.
    servers: how many web servers there are; several need the cache.
    """

    memory: Quantity = "1280Mi"
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    servers: Annotated[int, Field(ge=1, le=16)] = 1
    cache: Cache = Cache()
    workers: Annotated[int, Field(ge=0, le=16)] = 0
    worker_memory: Quantity = "1Gi"

    @model_validator(mode="after")
    def _shared(self) -> Dashboards:
        if self.cache.kind == "none":
            if self.workers > 0:
                raise ValueError(f"workers is {self.workers}: they are told of queries by a cache; set cache.kind too")
            if self.servers > 1:
                raise ValueError(f"servers is {self.servers}: they would know nothing of one another; set cache.kind")
        return self


class Example(Model):
    """The example company's shop. scale 1 is a million orders; the same seed and scale give the same rows."""

    enabled: bool = True
    namespace: DnsLabel = "petco"
    scale: Annotated[float, Field(gt=0, le=100)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 7
    rate: Annotated[int, Field(ge=1, le=10000, description="orders a second of the live shop")] = 50
    size: Quantity = "10Gi"
