"""The requests and limits of each workload's container. Trino's are in its own settings: its heap depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from components.settings.base import Cpu, Model, Quantity, WrongField, mebibytes, millicores


class Size(Model):
    """The size of a workload's container."""

    # A stack's file may name one of them alone: Sizes fills in the others.
    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(required=[]))

    cpu: Cpu = Field(description="The cores that a node keeps for it.")
    memory: Quantity = Field(description="The memory that a node keeps for it.")
    memory_limit: Quantity = Field(description="The memory that it may use; above it, it is ended.")
    cpu_limit: Cpu | None = Field(
        default=None, description="The cores that it may use. Not set: whatever the node has free."
    )
    disk: Quantity | None = Field(
        default=None,
        description="The node's disk for its scratch files and logs: kept for it, and the most that it may use. Not "
        "set: none is asked for, except on EKS, where it is 768Mi (ingestion 10752Mi, dagster_run 1536Mi, "
        "shop_generator 2560Mi).",
    )

    @model_validator(mode="after")
    def _within(self) -> Size:
        if mebibytes(self.memory) > mebibytes(self.memory_limit):
            raise WrongField("memory", self.memory, f"it is above memory_limit {self.memory_limit}; raise that too")
        if self.cpu_limit is not None and millicores(self.cpu) > millicores(self.cpu_limit):
            raise WrongField("cpu", self.cpu, f"it is above cpu_limit {self.cpu_limit}; raise that too")
        return self


def _size(cpu: str, memory: str, memory_limit: str, description: str, cpu_limit: str | None = None) -> Any:
    size = Size(cpu=cpu, memory=memory, memory_limit=memory_limit, cpu_limit=cpu_limit)
    return Field(default=size, description=description)


# The scratch volumes of each, their limits added up, and half a GiB for logs.
DISK = "768Mi"
DISKS = {"ingestion": "10752Mi", "dagster_run": "1536Mi", "shop_generator": "2560Mi"}


class Sizes(Model):
    """What each workload's container asks for and may use; Trino's sizes are in `trino`. A stack that names some of a
    workload's values keeps the defaults of the others.
    """

    catalog: Size = _size("100m", "256Mi", "640Mi", "The Iceberg REST catalog.")
    minio: Size = _size("100m", "256Mi", "1Gi", "MinIO.")
    minio_init: Size = _size("50m", "64Mi", "256Mi", "What makes MinIO's bucket and users, before it starts.")
    postgres: Size = _size("100m", "192Mi", "512Mi", "The platform's PostgreSQL in the cluster.")
    postgres_init: Size = _size("50m", "64Mi", "128Mi", "What makes the databases of a PostgreSQL in the cluster.")
    database_init: Size = _size("50m", "96Mi", "192Mi", "The Job that makes the databases on RDS.")
    ingestion: Size = _size("250m", "512Mi", "2Gi", "Each pod of ingestion.")
    dagster_code: Size = _size("100m", "384Mi", "1Gi", "Dagster's server of the pipeline's code.")
    dagster_webserver: Size = _size("100m", "256Mi", "768Mi", "Dagster's page.")
    dagster_daemon: Size = _size("100m", "256Mi", "768Mi", "Dagster's daemon: schedules, sensors, the queue of runs.")
    # Measured at scale 0.1: 278 MiB for Dagster and 205 for the dbt process it starts.
    dagster_run: Size = _size("250m", "512Mi", "1Gi", "The pod of each run of Dagster, which also runs dbt.", "2")
    superset: Size = _size("100m", "512Mi", "1280Mi", "Each web server of Superset.")
    superset_init: Size = _size("100m", "512Mi", "1280Mi", "The Job that sets up Superset and its dashboards.")
    superset_worker: Size = _size("100m", "512Mi", "1Gi", "What runs long queries of SQL Lab.")
    cache: Size = _size("50m", "32Mi", "256Mi", "Superset's Redis.")
    sleep: Size = _size("50m", "96Mi", "256Mi", "What puts the stack to sleep and wakes it up.")
    shop: Size = _size("100m", "192Mi", "512Mi", "The PostgreSQL of the example's shop.")
    shop_generator: Size = _size("100m", "256Mi", "2Gi", "What fills the example's shop, and lets it sell.")
    stand_ins: Size = _size("50m", "128Mi", "512Mi", "The example's stand-ins of Stripe and Salesforce.")

    @model_validator(mode="before")
    @classmethod
    def _others_by_default(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = dict(values)
        for name, given in values.items():
            field = cls.model_fields.get(name)
            if field is not None and isinstance(given, Mapping):
                filled[name] = {**field.default.model_dump(exclude_none=True), **given}
        return filled

    def with_disks(self) -> Sizes:
        """Return the sizes with a disk for each."""
        sizes: Mapping[str, Size] = dict(self)
        missing = {name: DISKS.get(name, DISK) for name, size in sizes.items() if size.disk is None}
        return self.model_copy(
            update={name: sizes[name].model_copy(update={"disk": disk}) for name, disk in missing.items()}
        )
