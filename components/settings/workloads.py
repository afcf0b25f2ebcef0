"""Settings of the workloads that stand on the roles: limits, mostly."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.settings.base import Cpu, DnsLabel, Model, Quantity


class Ingestion(Model):
    """One ingestion run's limits."""

    memory: Quantity = "2Gi"
    cpu: Cpu = "250m"


class Orchestration(Model):
    """Dagster: limits of each of its servers."""

    webserver_memory: Quantity = "768Mi"
    daemon_memory: Quantity = "768Mi"
    code_memory: Quantity = "1Gi"


class Dashboards(Model):
    """Superset: threads that answer requests, and its limit."""

    memory: Quantity = "1280Mi"
    threads: Annotated[int, Field(ge=1, le=64)] = 8


class Example(Model):
    """The example company's shop. scale 1 is a million orders; the same seed and scale give the same rows."""

    enabled: bool = True
    namespace: DnsLabel = "petco"
    scale: Annotated[float, Field(gt=0, le=100)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 7
    rate: Annotated[int, Field(ge=1, le=10000, description="orders a second of the live shop")] = 50
    size: Quantity = "10Gi"
