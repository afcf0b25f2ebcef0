"""The raw change logs of the lake: one Meltano run in a Kubernetes Job for each source, one asset for each stream."""

import os
from collections.abc import Iterator

import dagster as dg
from headwater_contracts import Contract, Source, Write

from headwater_dagster.defs.ingestion import loads
from headwater_dagster.defs.ingestion.loads import Load, step_of
from headwater_dagster.defs.ingestion.messages import LogLineMessageReader
from headwater_dagster.defs.ingestion.readers import Readers
from headwater_dagster.defs.ingestion.resources import IngestionJobs
from headwater_dagster.defs.ingestion.streams import raw_key, source_key
from headwater_dagster.jobs.run import JobFailed, Patience, clear_the_way, follow_job

NEEDS_A_PERSON = 65
"""Exit status of headwater-ingest where a contract refuses the data, or a stream is not there (its module `main`)."""
CONTRACT_CHECK = "contract"
"""Asset check that headwater-ingest reports for each stream; docs/contracts.md lists what it finds."""
KEPT = {
    Write.APPEND: "Append-only change log: a row a version",
    Write.MERGE: "The newest version of each key",
}


def source_assets(source: Source) -> list[dg.AssetSpec]:
    """Return what the source has and the platform only reads: an asset a stream."""
    return [
        dg.AssetSpec(
            source_key(stream),
            group_name=source.name,
            description=f"{stream.description} {source.title}: {source.description}".strip(),
            kinds={source.kind},
            owners=owners(source),
        )
        for stream in source.streams
    ]


def owners(source: Source) -> list[str]:
    """Return who answers for a source."""
    return [] if source.owner is None else [source.owner]


def raw_asset(source: Source, stream: Contract) -> dg.AssetSpec:
    """Return the change log of a stream, with the columns of its contract and as fresh as that says."""
    fresh = stream.freshness
    columns = [
        dg.TableColumn(
            name,
            str(column.type),
            column.description or None,
            dg.TableColumnConstraints(nullable=not column.required),
        )
        for name, column in stream.columns.items()
    ]
    return dg.AssetSpec(
        raw_key(stream.table),
        deps=[source_key(stream)],
        group_name=source.name,
        owners=owners(source),
        metadata={
            "dagster/table_name": f"{os.environ.get('LAKE_CATALOG', 'lake')}.raw.{stream.table}",
            **({"dagster/column_schema": dg.TableSchema(columns)} if columns else {}),
        },
        description=f"{stream.description} {KEPT[stream.write]}, all columns of the source, and _loaded_at.".strip(),
        kinds={"meltano", "iceberg"},
        freshness_policy=None
        if fresh is None
        else dg.FreshnessPolicy.time_window(fail_window=fresh.fail, warn_window=fresh.warn),
    )


def ingestion_of(source: Source) -> dg.AssetsDefinition:
    """Return the step that replicates a source: one Kubernetes Job, which can fail without the other sources'."""

    @dg.multi_asset(
        name=step_of(source),
        specs=[raw_asset(source, stream) for stream in source.streams],
        check_specs=[
            dg.AssetCheckSpec(
                CONTRACT_CHECK,
                asset=raw_key(stream.table),
                description="The source sends what its contract says, and every row could be stored.",
            )
            for stream in source.streams
        ],
        can_subset=True,
        retry_policy=dg.RetryPolicy(
            max_retries=2, delay=15, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
        ),
        pool="lake_writers",
    )
    def ingest(
        context: dg.AssetExecutionContext, ingestion: IngestionJobs
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Replicate the selected streams; yields rows, snapshot and seconds of each, and how it keeps its contract."""
        yield from replicate(context, ingestion, source)

    return ingest


def replicate(
    context: dg.AssetExecutionContext, ingestion: IngestionJobs, source: Source
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Run the Job of a source and yield what it reports of the selected streams; dg.Failure says why it failed."""
    selected = tuple(stream for stream in source.streams if raw_key(stream.table) in context.selected_asset_keys)
    load, api, patience = Load(source, selected, context.run), ingestion.api(), Patience()
    names = ",".join(stream.stream for stream in selected)
    cron_job = api.cron_job(ingestion.cron_job)
    if cron_job is None:
        raise dg.Failure(
            f"no CronJob {api.namespace}/{ingestion.cron_job}: it holds the template of ingestion; run `make up`",
            allow_retries=False,
        )
    if is_cancelled(context):
        # Dagster interrupts one step, and goes on to the next.
        loads.end_all(api, load)
        raise dg.Failure("the run was cancelled", allow_retries=False)
    loads.begin(load)
    # At the first attempt nobody has read yet why a Job failed that was started ahead.
    earlier = load.earlier(api, failed=context.retry_number == 0)
    try:
        clear_the_way(api, load.rivals(ingestion.cron_job), load.attempts, context.log.info, patience, spared=earlier)
    except JobFailed as error:
        raise dg.Failure(str(error), metadata={"streams": names}) from error
    readers = Readers(api, cron_job, tap=source.tap, labels=load.of_run | load.attempts, say=context.log.info)
    reader = LogLineMessageReader(readers.start, context.log.info)
    try:
        with (
            readers,
            dg.open_pipes_session(
                context=context, context_injector=dg.PipesEnvContextInjector(), message_reader=reader
            ) as session,
        ):
            if earlier is None:
                job = load.start(api, cron_job, session.get_bootstrap_env_vars())
            else:
                job = earlier
                context.log.info(f"Job {job} was started earlier: its log is read from the beginning")
            readers.leader = job
            context.log.info(f"Job {api.namespace}/{job}; its log: kubectl logs -n {api.namespace} -f job/{job}")
            steps = {node.name for node in context.job_def.nodes}
            loads.start_others(api, cron_job, load, steps=steps, session=session, say=context.log.info)
            follow_job(api, job, reader.take, patience, lambda: is_cancelled(context))
    except JobFailed as error:
        # What the contracts say of the streams that failed is the best explanation there is.
        yield from reported(context, session)[1]
        failure = dg.Failure(
            str(error), metadata={"job": job, "streams": names}, allow_retries=error.code != NEEDS_A_PERSON
        )
        raise failure from error
    except BaseException:
        if is_cancelled(context):
            loads.end_all(api, load)
        raise
    results, checks = reported(context, session)
    missing = {raw_key(stream.table) for stream in selected} - {result.asset_key for result in results}
    if missing:
        unsaid = ", ".join(sorted(key.to_user_string() for key in missing))
        raise dg.Failure(f"Job {api.namespace}/{job} ended well but did not report {unsaid}")
    yield from results
    yield from checks


def is_cancelled(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> bool:
    """Whether a person ended the run; a run's pod that has to go is interrupted in the same way."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status in {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


def reported(
    context: dg.AssetExecutionContext, session: dg.PipesSession
) -> tuple[list[dg.MaterializeResult[None]], list[dg.AssetCheckResult]]:
    """Return what the Job said: streams that were loaded, and the checks that this run was asked for."""
    found = list(session.get_results(implicit_materializations=False))
    wanted = context.selected_asset_check_keys
    return (
        [result for result in found if isinstance(result, dg.MaterializeResult)],
        [
            result
            for result in found
            if isinstance(result, dg.AssetCheckResult)
            and result.asset_key is not None
            and dg.AssetCheckKey(result.asset_key, result.check_name or CONTRACT_CHECK) in wanted
        ],
    )
