"""The raw change logs of the lake: one Meltano run in a Kubernetes Job for each source, one asset for each stream."""

import secrets
from collections.abc import Iterator

import dagster as dg
from headwater_contracts import Contract, Source, Write

from headwater_dagster.defs.ingestion.messages import LogLineMessageReader
from headwater_dagster.defs.ingestion.readers import Readers
from headwater_dagster.defs.ingestion.resources import IngestionJobs
from headwater_dagster.defs.ingestion.streams import RAW_GROUP, raw_key, source_key, sources
from headwater_dagster.jobs.manifest import job_manifest
from headwater_dagster.jobs.run import JobFailed, Patience, clear_the_way, follow_job, left_over

RUN_LABEL, ROOT_LABEL, SOURCE_LABEL = "headwater/run-id", "headwater/root-run-id", "headwater/source"
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
        )
        for stream in source.streams
    ]


def raw_asset(stream: Contract) -> dg.AssetSpec:
    """Return the change log of a stream, as fresh as its contract says."""
    fresh = stream.freshness
    return dg.AssetSpec(
        raw_key(stream.table),
        deps=[source_key(stream)],
        group_name=RAW_GROUP,
        description=f"{stream.description} {KEPT[stream.write]}, all columns of the source, and _loaded_at.".strip(),
        kinds={"meltano", "iceberg"},
        freshness_policy=None
        if fresh is None
        else dg.FreshnessPolicy.time_window(fail_window=fresh.fail, warn_window=fresh.warn),
    )


def ingestion_of(source: Source) -> dg.AssetsDefinition:
    """Return the step that replicates a source: one Kubernetes Job, which can fail without the other sources'."""

    @dg.multi_asset(
        name=f"ingest_{source.name.replace('-', '_')}",
        specs=[raw_asset(stream) for stream in source.streams],
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
    selected = [stream for stream in source.streams if raw_key(stream.table) in context.selected_asset_keys]
    streams = ",".join(stream.stream for stream in selected)
    api, patience = ingestion.api(), Patience()
    run = {RUN_LABEL: context.run.run_id}
    attempts = {ROOT_LABEL: context.run.root_run_id or context.run.run_id, SOURCE_LABEL: source.name}
    arguments = ["--tap", source.tap, "--streams", streams]
    cron_job = api.cron_job(ingestion.cron_job)
    if cron_job is None:
        raise dg.Failure(
            f"no CronJob {api.namespace}/{ingestion.cron_job}: it holds the template of ingestion; run `make up`",
            allow_retries=False,
        )
    name = f"{ingestion.cron_job}-{source.name.replace('_', '-')}-{context.run.run_id[:8]}-{secrets.token_hex(2)}"
    left = left_over(api, attempts, run, arguments)
    try:
        clear_the_way(api, rivals(ingestion.cron_job, source), attempts, context.log.info, patience, spared=left)
    except JobFailed as error:
        raise dg.Failure(str(error), metadata={"streams": streams}) from error
    readers = Readers(
        api, cron_job, name=f"{name}-readers", tap=source.tap, labels=run | attempts, say=context.log.info
    )
    reader = LogLineMessageReader(readers.start, context.log.info)
    try:
        with (
            readers,
            dg.open_pipes_session(
                context=context, context_injector=dg.PipesEnvContextInjector(), message_reader=reader
            ) as session,
        ):
            if left is None:
                environment = session.get_bootstrap_env_vars()
                api.create_job(
                    job_manifest(
                        cron_job, name=name, arguments=arguments, environment=environment, labels=run | attempts
                    )
                )
            else:
                name = left
                context.log.info(f"an earlier attempt has left Job {name}: its log is read from the beginning")
            context.log.info(f"Job {api.namespace}/{name}; its log: kubectl logs -n {api.namespace} -f job/{name}")
            follow_job(api, name, reader.take, patience, lambda: is_cancelled(context))
    except JobFailed as error:
        # What the contracts say of the streams that failed is the best explanation there is.
        yield from reported(context, session)[1]
        failure = dg.Failure(
            str(error), metadata={"job": name, "streams": streams}, allow_retries=error.code != NEEDS_A_PERSON
        )
        raise failure from error
    results, checks = reported(context, session)
    missing = {raw_key(stream.table) for stream in selected} - {result.asset_key for result in results}
    if missing:
        names = ", ".join(sorted(key.to_user_string() for key in missing))
        raise dg.Failure(f"Job {api.namespace}/{name} ended well but did not report {names}")
    yield from results
    yield from checks


def is_cancelled(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> bool:
    """Whether a person ended the run; a run's pod that has to go is interrupted in the same way."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status in {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


def rivals(cron_job: str, source: Source) -> str:
    """Return the selector of Jobs that may load the same streams: those of this source, and those of nobody's.

    A Job that a person started carries no source; what it loads is not known.
    """
    others = ",".join(each.name for each in sources() if each.name != source.name)
    return f"app.kubernetes.io/name={cron_job}" + (f",{SOURCE_LABEL} notin ({others})" if others else "")


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
