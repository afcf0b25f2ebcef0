"""Reports the state of the pipeline to CloudWatch every few minutes. If the reports stop, that is an alarm too."""

import datetime as dt
import os

import dagster as dg

from headwater_dagster import metrics
from headwater_dagster.defs.operations.facts import Memory, look

NAMESPACE = "METRICS_NAMESPACE"
# Alarms look at periods of five minutes and more.
INTERVAL_SECONDS = 240


@dg.sensor(
    name="publish_metrics",
    minimum_interval_seconds=INTERVAL_SECONDS,
    # It reads Dagster's own database only; without it the alarm on stale marts would ring for ever.
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Publishes failed runs and the age of marts and streams to CloudWatch. It starts no run.",
)
def publish_metrics(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Publish what happened since the last look; it is remembered only once CloudWatch has it."""
    if context.repository_def is None:
        raise dg.DagsterInvariantViolationError("the sensor runs outside of a code location")
    graph, now = context.repository_def.asset_graph, dt.datetime.now(dt.UTC)
    facts, memory = look(
        context.instance,
        graph.materializable_asset_keys,
        graph.asset_check_keys,
        Memory.of(context.cursor, now),
        now,
    )
    count = metrics.publish(os.environ[NAMESPACE], facts, now)
    return dg.SensorResult(skip_reason=f"{count} values published", cursor=memory.cursor())
