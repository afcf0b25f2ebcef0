"""The text of a source's files: its Meltano file, its contracts' `_source.yml`, its dbt sources."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from cli.sources.found import Found
from cli.sources.kinds import Kind, Source
from cli.sources.naming import quoted

_PATTERN = re.compile(r"[.\[\]*?\\!]")


def pattern(stream: str) -> str:
    """Return a pattern of Meltano's for a stream: what would mean something in it stands for any character."""
    return _PATTERN.sub("?", stream)


def meltano_file(kind: Kind, source: Source, tables: Sequence[Found]) -> str:
    """Return the Meltano file: where the source is, and how each table's changes are found."""
    lines = [
        f"# `make source add=…` wrote this file, `make source remove={source.name}` takes it back: docs/sources.md.",
        "plugins:",
        "  extractors:",
        f"  - name: tap-{source.name}",
        f"    inherit_from: {kind.tap}",
        "    config:",
        *(f"      {line}" for line in source.settings(tables)),
        f"      stream_prefix: {source.name}_",
        "      positions_file: $HEADWATER_POSITIONS",
        "      batch_config:",
        "        encoding: {format: pipe}",
        "        storage: {root: $HEADWATER_BATCH_ROOT}",
        "    select:",
        "    - '*.*'",
    ]
    for table in tables:
        if table.clash is not None:
            lines.append(f"    # Would be table raw.{table.table}, which is {json.dumps(table.clash)}'s.")
            lines.append(f"    - {json.dumps(f'!{pattern(table.stream)}.*')}")
    lines.append("    # How changes are found: by a column that rises with each change of a row, or all rows are read.")
    lines.append("    metadata:")
    for table in tables:
        if table.clash is None:
            key = table.replication_key
            how = "FULL_TABLE" if key is None else f"INCREMENTAL, replication-key: {quoted(key)}"
            lines.append(f"      {quoted(pattern(table.stream))}: {{replication-method: {how}}}")
    return "\n".join(lines) + "\n"


def source_file(kind: Kind, source: Source) -> str:
    """Return `_source.yml` of the contracts."""
    return (
        f"# Source {source.name}. docs/contracts.md explains these files.\n"
        f"title: {quoted(source.name)}\nkind: {kind.kind}\ntap: tap-{source.name}\n"
        f"description: {quoted(source.description)}\n"
    )


def dbt_file(source: Source, tables: Sequence[Found]) -> str:
    """Return the dbt sources: `source('crm', 'orders')` is table raw.crm_orders."""
    lines = [
        "version: 2",
        "",
        "sources:",
        f"  - name: {source.name}",
        f"    description: Change logs of {source.name} as ingestion wrote them, a row a version of a source row.",
        "    database: \"{{ env_var('LAKE_CATALOG', 'lake') }}\"",
        "    schema: \"{{ var('raw_schema') }}\"",
        "    loaded_at_field: _loaded_at",
        "    tables:",
    ]
    for table in tables:
        lines += [
            f"      - name: {quoted(table.table.removeprefix(f'{source.name}_'))}",
            f"        identifier: {quoted(table.table)}",
            f"        meta: {{dagster: {{asset_key: [raw, {quoted(table.table)}]}}}}",
        ]
    return "\n".join(lines) + "\n"
