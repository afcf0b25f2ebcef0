"""The job that maintains the lake. It may run beside ingestion: whichever commits second tries again."""

import secrets
import time
from typing import Any

import dagster as dg

from headwater_dagster.defs.ingestion.resources import IngestionJobs, Lake
from headwater_dagster.defs.maintenance.statements import TABLES, Retention, maintain, statements
from headwater_dagster.jobs.manifest import job_manifest
from headwater_dagster.jobs.run import JobFailed, Patience, run_job

SECONDS_AFTER_A_CONFLICT = 15
ORPHANS = ("target-iceberg-tables", "orphans", "--delete")
"""Command in ingestion's image that deletes the files of failed loads, which it knows by their names."""
retries = dg.RetryPolicy(max_retries=1, delay=60)


@dg.op(retry_policy=retries, description="Compacts each raw table, expires its old snapshots, removes orphaned files.")
def maintain_raw_tables(context: dg.OpExecutionContext, config: Retention, lake: Lake) -> dg.Output[None]:
    """Maintain all tables; one that fails does not keep the others from it, and fails the step at the end."""

    def wait(number: int) -> None:
        time.sleep(SECONDS_AFTER_A_CONFLICT * 2**number)

    tables = [row[0] for row in lake.query(TABLES)]
    failed: dict[str, str] = {}
    conflicts = 0
    for table in tables:
        try:
            conflicts += maintain(lake.query, wait, statements(table, config))
            context.log.info(f"raw.{table}: done")
        except Exception as error:
            failed[table] = str(error)
            context.log.warning(f"raw.{table}: {error}")
    if failed:
        reasons = "; ".join(f"raw.{table}: {reason}" for table, reason in failed.items())
        raise dg.Failure(f"{len(failed)} of {len(tables)} tables could not be maintained: {reasons}")
    return dg.Output(None, metadata={"tables": len(tables), "conflicts": conflicts})


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
        run_job(api, manifest, take, Patience())
    except JobFailed as error:
        raise dg.Failure(str(error), metadata={"job": name}) from error
    return dg.Output(None, metadata={"deleted": len([line for line in lines if "/load-" in line])})


@dg.job(description="Keeps the raw tables small and quick to read.", executor_def=dg.in_process_executor)
def maintain_lake() -> None:
    """Maintain, then delete what failed loads have left."""
    delete_orphaned_files(maintain_raw_tables())
