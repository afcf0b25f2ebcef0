"""The schedule of the pipeline. Off until somebody switches it on."""

import dagster as dg

from headwater_dagster.defs.pipeline.jobs import is_under_way, petco_pipeline


@dg.schedule(
    name="every_15_minutes",
    job=petco_pipeline,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Runs the pipeline at every quarter of an hour, where none is under way.",
)
def every_15_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run. Runs that take longer than the interval would queue up without end."""
    if is_under_way(context.instance):
        return dg.SkipReason("a run of the pipeline is under way; the next quarter of an hour comes")
    return dg.RunRequest()
