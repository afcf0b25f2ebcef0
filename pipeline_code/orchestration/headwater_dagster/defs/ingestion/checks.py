"""Checks that the raw streams must pass before dbt reads them."""

from collections.abc import Iterator

import dagster as dg
from headwater_contracts import Source

from headwater_dagster.defs.ingestion.resources import Lake
from headwater_dagster.defs.ingestion.streams import raw_key

CHECK = "has_rows"
SHOP = "shop"
"""The source that the example's marts are built on."""


def rows_statement(streams: list[str]) -> str:
    """Return a query for name, one row at most, rows in files and newest load of each stream.

    Only the first row is read. The rest is in the table's metadata: counted, 22 million rows took 16 seconds.
    """
    return "\nunion all\n".join(
        f"select '{stream}', (select count(*) from (select 1 from raw.{stream} limit 1) as first),"  # noqa: S608
        f' sum(record_count), cast(max(data._loaded_at.max) as varchar) from raw."{stream}$partitions"'
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
        """Look for rows of the selected streams in one query."""
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        wanted = [table for table in tables if raw_key(table) in selected]
        for table, found, rows, loaded_at in lake.query(rows_statement(wanted)):
            yield dg.AssetCheckResult(
                passed=found > 0,
                asset_key=raw_key(table),
                check_name=CHECK,
                severity=dg.AssetCheckSeverity.ERROR if strict else dg.AssetCheckSeverity.WARN,
                # Files keep the older versions of merged rows until they are compacted.
                metadata={"rows_in_files": rows or 0, "newest_load": loaded_at if loaded_at is not None else "never"},
            )

    return streams_have_rows
