"""The schedules of maintenance: on by default; a table that needs nothing is not changed."""

import dagster as dg

from headwater_dagster.defs.maintenance.jobs import maintain_lake, maintain_models

every_night = dg.ScheduleDefinition(
    name="every_night",
    job=maintain_lake,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Maintains the raw tables at night.",
)

every_night_models = dg.ScheduleDefinition(
    name="every_night_models",
    job=maintain_models,
    cron_schedule="10 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Maintains the tables that dbt builds at night; a build in progress comes first.",
)
