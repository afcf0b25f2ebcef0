"""Settings of the stack's monitoring, and of who gets alarms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.settings.base import Duration, Email, Model, Percent, WrongField, each_once


class Observability(Model):
    """Metrics, logs, alarms and a dashboard."""

    kind: Literal["none", "cloudwatch"] = Field(
        default="none", description="Who watches the stack. `cloudwatch` needs `kubernetes.kind: eks`."
    )
    emails: Annotated[list[Email], AfterValidator(each_once)] = Field(
        default_factory=list,
        max_length=10,
        description="Who gets the alarms; each address confirms its subscription once. `cloudwatch` needs one.",
    )
    stale_after: Duration = Field(default="6h", description="How old the oldest mart may get before an alarm.")
    node_disk_percent: Percent = Field(
        default=85, description="How full a node's disk may get before an alarm, in percent."
    )
    free_storage_percent: int = Field(
        default=8,
        ge=1,
        le=50,
        description="How much of `database.size` must be free, in percent. RDS grows the volume when less than 10 % is "
        "free, so less than this means that it did not.",
    )
    database_connections: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="How many connections the database may have before an alarm. Not set: 80 % of what its instance "
        "class allows.",
    )
    certificate_days: int = Field(
        default=30,
        ge=1,
        le=45,
        description="Days before the end of the load balancer's certificate by which it must have been renewed.",
    )

    @model_validator(mode="after")
    def _heard(self) -> Observability:
        given = sorted(self.model_fields_set - {"kind"})
        if self.kind == "none" and given:
            why = f"{', '.join(given)}: nothing watches with kind 'none'; set kind: cloudwatch"
            raise WrongField(given[0], getattr(self, given[0]), why)
        if self.kind == "cloudwatch" and not self.emails:
            raise WrongField("emails", None, "emails is empty: alarms that nobody gets; name one address at least")
        return self
