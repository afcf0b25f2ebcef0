"""Settings of what watches the stack, and of who is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings.base import Duration, Email, Model, Percent


class Observability(Model):
    """Metrics, logs, alarms and a dashboard. kind: none, or `cloudwatch`, which needs EKS.

    emails: who gets the alarms; each address confirms its subscription once. stale_after: how old the oldest mart may
    get. node_disk_percent: how full a node's disk may get. free_storage_percent: of database.size; RDS grows the volume
    below 10 %, so less than this says that it did not. database_connections: None is 80 % of what the instance class
    allows. certificate_days: how long before its end the load balancer's certificate must have been renewed.
    """

    kind: Literal["none", "cloudwatch"] = "none"
    emails: list[Email] = Field(default_factory=list, max_length=10)
    stale_after: Duration = "6h"
    node_disk_percent: Percent = 85
    free_storage_percent: Annotated[int, Field(ge=1, le=50, description="percent")] = 8
    database_connections: Annotated[int, Field(ge=1)] | None = None
    certificate_days: Annotated[int, Field(ge=1, le=45, description="days")] = 30

    @model_validator(mode="after")
    def _heard(self) -> Observability:
        if self.kind == "none" and self.model_fields_set - {"kind"}:
            names = ", ".join(sorted(self.model_fields_set - {"kind"}))
            raise ValueError(f"{names}: nothing watches with kind 'none'; set kind: cloudwatch")
        if self.kind == "cloudwatch" and not self.emails:
            raise ValueError("emails is empty: alarms that nobody gets; name one address at least")
        return self
