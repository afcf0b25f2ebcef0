"""When the lake is maintained by itself. Off until switched on."""

import dagster as dg

from headwater_dagster.defs.maintenance.jobs import maintain_lake

every_night = dg.ScheduleDefinition(
    name="every_night",
    job=maintain_lake,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Maintains the raw tables at night.",
)
