"""What must hold of the raw streams before dbt reads them."""

from collections.abc import Iterator

import dagster as dg

from headwater_dagster.defs.ingestion.resources import Lake
from headwater_dagster.defs.ingestion.streams import STREAMS, raw_key

CHECK = "has_rows"


def rows_statement(streams: list[str]) -> str:
    """Return a query for name, rows and newest load of each stream; Trino counts from the files' metadata."""
    return "\nunion all\n".join(
        f"select '{stream}', count(*), cast(max(_loaded_at) as varchar) from raw.{stream}"  # noqa: S608 - our names
        for stream in streams
    )


@dg.multi_asset_check(
    name="raw_streams_have_rows",
    specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=raw_key(stream),
            blocking=True,
            description="Trino reads the table and finds rows. Nothing downstream is built otherwise.",
        )
        for stream in STREAMS
    ],
    can_subset=True,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def raw_streams_have_rows(context: dg.AssetCheckExecutionContext, lake: Lake) -> Iterator[dg.AssetCheckResult]:
    """Count the rows of the selected streams in one query."""
    selected = {key.asset_key for key in context.selected_asset_check_keys}
    streams = [stream for stream in STREAMS if raw_key(stream) in selected]
    for stream, rows, loaded_at in lake.query(rows_statement(streams)):
        yield dg.AssetCheckResult(
            passed=rows > 0,
            asset_key=raw_key(stream),
            check_name=CHECK,
            metadata={"rows": rows, "newest_load": loaded_at if loaded_at is not None else "never"},
        )
