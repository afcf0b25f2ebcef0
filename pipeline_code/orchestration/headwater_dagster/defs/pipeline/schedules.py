"""When the pipeline runs by itself. Off until switched on."""

import dagster as dg

from headwater_dagster.defs.pipeline.jobs import petco_pipeline

every_15_minutes = dg.ScheduleDefinition(
    name="every_15_minutes",
    job=petco_pipeline,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Runs the pipeline at every quarter of an hour.",
)
