"""The jobs that maintain the lake. What ingestion loads is seen to beside the loads: whichever commits second tries
again. What dbt builds waits for a build, and a build for it: a merge that meets a compaction would fail.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import dagster as dg

from headwater_dagster.defs.ingestion.assets import is_cancelled
from headwater_dagster.defs.ingestion.resources import IngestionJobs, Lake
from headwater_dagster.jobs.manifest import job_manifest
from headwater_dagster.jobs.run import JobFailed, Patience, follow_job
from headwater_dagster.maintenance import BUILT, LOADED, Limits, maintain, need, statements, tables

SECONDS_AFTER_A_CONFLICT = 15
ORPHANS = ("target-iceberg-tables", "orphans", "--delete")
"""Command in ingestion's image that deletes the files of failed loads, which it knows by their names."""
retries = dg.RetryPolicy(max_retries=1, delay=60)


class Retention(dg.Config):
    """The fields of Limits, which says what they mean."""

    snapshot_retention: str = Limits.snapshot_retention
    orphan_retention: str = Limits.orphan_retention
    small_file: str = Limits.small_file
    small_files: int = Limits.small_files
    delete_files: int = Limits.delete_files
    manifests: int = Limits.manifests


@dg.op(retry_policy=retries, description="Compacts raw tables, expires old snapshots, removes orphans: where needed.")
def maintain_raw_tables(context: dg.OpExecutionContext, config: Retention, lake: Lake) -> dg.Output[None]:
    """Maintain what ingestion loads."""
    return maintained(context, lake, LOADED, Limits(**config.model_dump()))


@dg.op(
    retry_policy=retries,
    pool="lake_writers",
    description="The same for what dbt builds, and the records that Dagster keeps beside the marts.",
)
def maintain_built_tables(context: dg.OpExecutionContext, config: Retention, lake: Lake) -> dg.Output[None]:
    """Maintain what dbt builds."""
    return maintained(context, lake, BUILT, Limits(**config.model_dump()))


def maintained(context: dg.OpExecutionContext, lake: Lake, schemas: Sequence[str], limits: Limits) -> dg.Output[None]:
    """Maintain all tables; one that fails does not keep the others from it, and fails the step at the end."""

    def wait(number: int) -> None:
        time.sleep(SECONDS_AFTER_A_CONFLICT * 2**number)

    found = tables(lake.query, schemas)
    failed: dict[str, str] = {}
    conflicts, touched = 0, 0
    for schema, table in found:
        try:
            todo = [*statements(schema, table, need(lake.query, schema, table, limits), limits)]
            conflicts += maintain(lake.query, wait, todo)
            touched += bool(todo)
            done = [statement.partition(" execute ")[2] for statement in todo]
            context.log.info(f"{schema}.{table}: {', '.join(done) if done else 'needs nothing'}")
        except Exception as error:
            failed[f"{schema}.{table}"] = str(error)
            context.log.warning(f"{schema}.{table}: {error}")
    if failed:
        reasons = "; ".join(f"{table}: {reason}" for table, reason in failed.items())
        raise dg.Failure(f"{len(failed)} of {len(found)} tables could not be maintained: {reasons}")
    return dg.Output(None, metadata={"tables": len(found), "maintained": touched, "conflicts": conflicts})


@dg.op(
    ins={"maintained": dg.In(dg.Nothing)},
    retry_policy=retries,
    description="Deletes the data and delete files of failed loads, at once: they are known by their names.",
)
def delete_orphaned_files(context: dg.OpExecutionContext, ingestion: IngestionJobs) -> dg.Output[None]:
    """Run the target's own tool in a Job; its log names each file that it deletes."""
    api = ingestion.api()
    cron_job = api.cron_job(ingestion.cron_job)
    if cron_job is None:
        raise dg.Failure(
            f"no CronJob {api.namespace}/{ingestion.cron_job}: it holds the template of ingestion; run `make up`",
            allow_retries=False,
        )
    lines: list[str] = []

    def take(line: str) -> bool:
        print(line, flush=True)
        lines.append(line)
        return True

    name = f"{ingestion.cron_job}-orphans-{context.run_id[:8]}-{secrets.token_hex(2)}"
    labels: dict[str, Any] = {"headwater/run-id": context.run_id, "headwater/source": "orphans"}
    manifest = job_manifest(cron_job, name=name, arguments=ORPHANS[1:], environment={}, labels=labels)
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = list(ORPHANS[:1])
    try:
        api.create_job(manifest)
        follow_job(api, name, take, Patience(), lambda: is_cancelled(context))
    except JobFailed as error:
        raise dg.Failure(str(error), metadata={"job": name}) from error
    return dg.Output(None, metadata={"deleted": len([line for line in lines if "/load-" in line])})


@dg.job(description="Keeps the raw tables small and quick to read.", executor_def=dg.in_process_executor)
def maintain_lake() -> None:
    """Maintain, then delete what failed loads have left."""
    delete_orphaned_files(maintain_raw_tables())


@dg.job(description="Keeps the tables that dbt builds small and quick to read.", executor_def=dg.in_process_executor)
def maintain_models() -> None:
    """Maintain what dbt builds, while nothing is built."""
    maintain_built_tables()
