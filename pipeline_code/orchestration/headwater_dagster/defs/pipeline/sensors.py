"""Starts the pipeline when the shop has rows that the lake lacks. Off until switched on."""

import hashlib
import json
from typing import Any

import dagster as dg

from headwater_dagster.defs.ingestion.resources import Shop
from headwater_dagster.defs.ingestion.streams import sources
from headwater_dagster.defs.pipeline.jobs import petco_pipeline

SHOP = "shop"
"""The source that the sensor can look into; the others are read when the pipeline runs."""
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def state_statement(streams: list[str]) -> str:
    """Return a query for each stream's newest change and its count of writes since the database began to count.

    Both cost microseconds at any size: the first is the end of an index, the second is kept by PostgreSQL. The count
    sees rows that arrive with an old time of change.
    """
    return "\nunion all\n".join(
        f"select '{stream}', (select max(updated_at)::text from shop.{stream}), (select n_tup_ins + n_tup_upd"  # noqa: S608
        f" from pg_stat_user_tables where schemaname = 'shop' and relname = '{stream}')"
        for stream in streams
    )


def changed_streams(before: str | None, now: dict[str, list[Any]]) -> list[str]:
    """Return the streams whose state is not what the cursor says; all of them when there is no cursor."""
    known = json.loads(before) if before is not None else {}
    return [stream for stream, state in now.items() if known.get(stream) != state]


@dg.sensor(
    name="shop_has_new_rows",
    job=petco_pipeline,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Looks every minute whether the shop's tables changed, and runs the pipeline when none is under way.",
)
def shop_has_new_rows(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Compare the shop with the cursor; a run under way leaves the cursor as it is, so that no change is missed."""
    shop = Shop.from_environment()
    if shop is None:
        return dg.SkipReason("no source is set up: SHOP_HOST is not in the environment of the code location")
    tables = [stream.table for source in sources() if source.name == SHOP for stream in source.streams]
    now = {name: [newest, writes] for name, newest, writes in shop.query(state_statement(tables))}
    changed = changed_streams(context.cursor, now)
    if not changed:
        return dg.SkipReason("the shop's tables are as they were")
    unfinished = dg.RunsFilter(job_name=petco_pipeline.name, statuses=UNFINISHED)
    if context.instance.get_runs_count(unfinished) > 0:
        return dg.SkipReason(f"{', '.join(changed)} changed; the run under way comes first")
    cursor = json.dumps(now)
    key = hashlib.sha256(cursor.encode()).hexdigest()
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)], cursor=cursor)
