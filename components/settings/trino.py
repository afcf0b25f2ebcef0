"""Settings of the query engine."""

from __future__ import annotations

from pydantic import field_validator

from components.settings.base import Cpu, Model, Quantity, mebibytes

TRINO_MINIMUM_MIB = 1792


class Trino(Model):
    """The query engine, one node. The heap follows from `memory`, the container's limit."""

    memory: Quantity = "2816Mi"
    cpu: Cpu = "500m"

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        if mebibytes(value) < TRINO_MINIMUM_MIB:
            raise ValueError(f"Trino needs {TRINO_MINIMUM_MIB}Mi: a heap of 1Gi and 768Mi beside it")
        return value
