"""What must hold of the raw streams before dbt reads them."""

from collections.abc import Iterator

import dagster as dg
from headwater_contracts import Source

from headwater_dagster.defs.ingestion.resources import Lake
from headwater_dagster.defs.ingestion.streams import raw_key

CHECK = "has_rows"
SHOP = "shop"
"""The source that the example's marts are built on."""


def rows_statement(streams: list[str]) -> str:
    """Return a query for name, rows and newest load of each stream; Trino counts from the files' metadata."""
    return "\nunion all\n".join(
        f"select '{stream}', count(*), cast(max(_loaded_at) as varchar) from raw.{stream}"  # noqa: S608 - our names
        for stream in streams
    )


def check_of(source: Source) -> dg.AssetChecksDefinition:
    """Return the check of a source's streams: one query, which does not wait for the other sources."""
    tables = [stream.table for stream in source.streams]
    # Another source may rightly have nothing yet, disputes for one; a shop without orders is broken.
    strict = source.name == SHOP

    @dg.multi_asset_check(
        name=f"{source.name.replace('-', '_')}_streams_have_rows",
        specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=raw_key(table),
                blocking=strict,
                description="Trino reads the table and finds rows."
                + (" Nothing downstream is built otherwise." if strict else ""),
            )
            for table in tables
        ],
        can_subset=True,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
    )
    def streams_have_rows(context: dg.AssetCheckExecutionContext, lake: Lake) -> Iterator[dg.AssetCheckResult]:
        """Count the rows of the selected streams in one query."""
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        wanted = [table for table in tables if raw_key(table) in selected]
        for table, rows, loaded_at in lake.query(rows_statement(wanted)):
            yield dg.AssetCheckResult(
                passed=rows > 0,
                asset_key=raw_key(table),
                check_name=CHECK,
                severity=dg.AssetCheckSeverity.ERROR if strict else dg.AssetCheckSeverity.WARN,
                metadata={"rows": rows, "newest_load": loaded_at if loaded_at is not None else "never"},
            )

    return streams_have_rows
