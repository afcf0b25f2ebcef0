"""The raw change logs of the lake: one run of Meltano in a Kubernetes Job, one asset a stream."""

import datetime as dt
import secrets
from collections.abc import Iterator

import dagster as dg

from headwater_dagster.defs.ingestion.messages import LogLineMessageReader
from headwater_dagster.defs.ingestion.resources import IngestionJobs
from headwater_dagster.defs.ingestion.streams import RAW_GROUP, SOURCE_GROUP, STREAMS, raw_key, source_key
from headwater_dagster.jobs.manifest import job_manifest
from headwater_dagster.jobs.run import JobFailed, Patience, clear_the_way, run_job

RUN_LABEL = "headwater/run-id"
CONTRACT_CHECK = "contract"
"""Asset check that headwater-ingest reports for each stream; docs/contracts.md lists what it finds."""

shop_tables = [
    dg.AssetSpec(
        source_key(stream),
        group_name=SOURCE_GROUP,
        description=f"{text} A table of the shop's database, which the platform reads and does not own.",
        kinds={"postgres"},
    )
    for stream, text in STREAMS.items()
]


@dg.multi_asset(
    name="ingest_shop",
    specs=[
        dg.AssetSpec(
            raw_key(stream),
            deps=[source_key(stream)],
            group_name=RAW_GROUP,
            description=f"{text} Append-only change log: a row a version, all columns of the source, and _loaded_at.",
            kinds={"meltano", "iceberg"},
            freshness_policy=dg.FreshnessPolicy.time_window(
                fail_window=dt.timedelta(hours=24), warn_window=dt.timedelta(hours=2)
            ),
        )
        for stream, text in STREAMS.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            CONTRACT_CHECK,
            asset=raw_key(stream),
            description="The source sends what its contract says, and every row could be stored.",
        )
        for stream in STREAMS
    ],
    can_subset=True,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=15, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS),
    pool="lake_writers",
)
def ingest_shop(
    context: dg.AssetExecutionContext, ingestion: IngestionJobs
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Replicate the selected streams; yields rows, snapshot and seconds of each, and how it keeps to its contract."""
    streams = [stream for stream in STREAMS if raw_key(stream) in context.selected_asset_keys]
    api, patience, labels = ingestion.api(), Patience(), {RUN_LABEL: context.run.run_id}
    cron_job = api.cron_job(ingestion.cron_job)
    if cron_job is None:
        raise dg.Failure(
            f"no CronJob {api.namespace}/{ingestion.cron_job}: it holds the template of ingestion; run `make up`",
            allow_retries=False,
        )
    reader = LogLineMessageReader()
    name = f"{ingestion.cron_job}-{context.run.run_id[:8]}-{secrets.token_hex(2)}"
    try:
        clear_the_way(api, f"app.kubernetes.io/name={ingestion.cron_job}", labels, context.log.info, patience)
        with dg.open_pipes_session(
            context=context, context_injector=dg.PipesEnvContextInjector(), message_reader=reader
        ) as session:
            manifest = job_manifest(
                cron_job,
                name=name,
                arguments=["--streams", ",".join(streams)],
                environment=session.get_bootstrap_env_vars(),
                labels=labels,
            )
            context.log.info(f"Job {api.namespace}/{name}; its log: kubectl logs -n {api.namespace} -f job/{name}")
            run_job(api, manifest, reader.take, patience)
    except JobFailed as error:
        # What the contracts say of the streams that failed is the best explanation there is.
        yield from reported(context, session)[1]
        raise dg.Failure(str(error), metadata={"job": name, "streams": ", ".join(streams)}) from error
    results, checks = reported(context, session)
    missing = {raw_key(stream) for stream in streams} - {result.asset_key for result in results}
    if missing:
        names = ", ".join(sorted(key.to_user_string() for key in missing))
        raise dg.Failure(f"Job {api.namespace}/{name} ended well but did not report {names}")
    yield from results
    yield from checks


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
