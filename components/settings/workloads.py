"""Settings of the workloads that use the infrastructure; their sizes are in sizes.py."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.settings.base import DnsLabel, Model, Quantity, WrongField


class Ingestion(Model):
    """Ingestion. How large its pods are is in `sizes.ingestion`."""

    loads_at_once: int = Field(
        default=3,
        ge=1,
        le=64,
        description="How many sources of a run are loaded at the same time, each by a pod of its own.",
    )
    reader_pods: int = Field(
        default=1,
        ge=0,
        le=64,
        description="How many further pods may read a very large table together with the pod of its load.",
    )


class Cache(Model):
    """What Superset's processes share: answers, and the queries that run."""

    kind: Literal["none", "in_cluster"] = Field(
        default="none",
        description="`in_cluster` is a Redis in the cluster. With `none` the one web server remembers for itself.",
    )


class Dashboards(Model):
    """Superset."""

    threads: int = Field(
        default=8, ge=1, le=64, description="How many requests each web server answers at the same time."
    )
    servers: int = Field(
        default=1, ge=1, le=16, description="How many web servers there are. More than one need the cache."
    )
    cache: Cache = Cache()
    workers: int = Field(
        default=0,
        ge=0,
        le=16,
        description="How many long queries of SQL Lab run at the same time, apart from the web servers. They need the "
        "cache. With 0 the web servers run them.",
    )

    @model_validator(mode="after")
    def _shared(self) -> Dashboards:
        if self.cache.kind == "none":
            if self.workers > 0:
                raise WrongField("workers", self.workers, "they are told of queries by a cache; set cache.kind too")
            if self.servers > 1:
                raise WrongField("servers", self.servers, "they would know nothing of one another; set cache.kind too")
        return self


class Example(Model):
    """The example company, PetCo: its shop, and stand-ins of its accounts with web services."""

    enabled: bool = Field(default=True, description="Whether it is there.")
    namespace: DnsLabel = Field(default="petco", description="Its namespace.")
    scale: float = Field(default=0.1, gt=0, le=100, description="How large its shop is; 1 is a million orders.")
    seed: int = Field(
        default=7, ge=0, description="Where its random data begin. The same seed and scale give the same rows."
    )
    rate: int = Field(
        default=50,
        ge=1,
        le=10000,
        description="Orders a second while its shop sells, where nobody says another number.",
    )
    size: Quantity = Field(default="10Gi", description="The size of the volume of its PostgreSQL.")
