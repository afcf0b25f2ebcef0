"""What Dagster records beside the marts: results of tests, and when each stream was read."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from headwater_contracts import Source

from headwater_dagster.defs.ingestion.resources import Lake
from headwater_dagster.defs.ingestion.streams import connected, raw_key

SCHEMA = "marts"
TEST_RESULTS, STREAM_LOADS = f"{SCHEMA}.test_results", f"{SCHEMA}.stream_loads"
"""Tables that dbt makes at the start of each build (transformation/macros/logs.sql)."""

_recorded: dict[str, tuple[str, ...]] = {}
"""Table → the statements that this process ran for it last."""


@dataclass(frozen=True)
class Load:
    """A stream, Unix time of its last load that succeeded, with rows or without, and its contract's limits, minutes."""

    source: str
    stream: str
    at: float | None
    warn: int | None
    fail: int | None


def last_loads(instance: dg.DagsterInstance, sources: Iterable[Source]) -> list[Load]:
    """Return the last loads of all streams of the sources, as Dagster knows them."""
    streams = [stream for source in sources for stream in source.streams]
    known = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization
        for record in instance.get_asset_records([raw_key(stream.table) for stream in streams])
    }
    loads = []
    for stream in streams:
        event, fresh = known.get(raw_key(stream.table)), stream.freshness
        loads.append(
            Load(
                stream.source,
                stream.table,
                None if event is None else event.timestamp,
                None if fresh is None else minutes(fresh.warn),
                None if fresh is None else minutes(fresh.fail),
            )
        )
    return loads


def minutes(limit: dt.timedelta | None) -> int | None:
    """Return a limit of a contract in minutes."""
    return None if limit is None else int(limit.total_seconds() // 60)


def load_statements(loads: Sequence[Load]) -> tuple[str, ...]:
    """Return what brings the table of loads up to date: one row a stream, none of streams that are gone."""
    if not loads:
        return ()
    told = ", ".join(
        f"({text(load.source)}, {text(load.stream)}, {moment(load.at)}, {number(load.warn)}, {number(load.fail)})"
        for load in loads
    )
    names = ("source", "stream", "loaded_at", "warn_after_minutes", "fail_after_minutes")
    changed = [name for name in names if name != "stream"]
    return (
        f"merge into {STREAM_LOADS} as known using (values {told}) as told ({', '.join(names)})"  # noqa: S608
        f" on known.stream = told.stream when matched and"
        f" ({' or '.join(f'known.{name} is distinct from told.{name}' for name in changed)})"
        f" then update set {', '.join(f'{name} = told.{name}' for name in changed)}"
        f" when not matched then insert ({', '.join(names)}) values ({', '.join(f'told.{name}' for name in names)})",
        f"delete from {STREAM_LOADS} where stream not in ({', '.join(text(load.stream) for load in loads)})",  # noqa: S608
    )


def outcome_statements(run_results: Mapping[str, Any], nodes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what adds the outcomes of a build's tests of the data to their log. nodes: the manifest's."""
    about = run_results["metadata"]
    at = dt.datetime.fromisoformat(about["invocation_started_at"]).timestamp()
    rows = []
    for result in run_results["results"]:
        name = result["unique_id"]
        if not name.startswith("test."):
            continue
        node = nodes[name]
        parent = node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), "")
        rows.append(
            f"({moment(at)}, {text(about['invocation_id'])}, {text(parent.split('.')[-1])}, {text(node['name'])},"
            f" {text(result['status'])}, {number(result.get('failures'))})"
        )
    return (f"insert into {TEST_RESULTS} values {', '.join(rows)}",) if rows else ()  # noqa: S608


def record_loads(context: dg.AssetExecutionContext, lake: Lake) -> None:
    """Bring the table of loads up to date, unless this process has just done it: each step of a run asks for it."""
    statements = load_statements(last_loads(context.instance, connected()))
    if statements != _recorded.get(STREAM_LOADS):
        record(lake.query, statements, context.log.warning)
        _recorded[STREAM_LOADS] = statements


def record(query: Callable[[str], Any], statements: Iterable[str], warn: Callable[[str], None]) -> None:
    """Run the statements; one that fails, as when another run was faster, is told to `warn`."""
    for statement in statements:
        try:
            query(statement)
        except Exception as error:
            warn(f"not recorded ({statement[:60]} …): {error}")


def text(value: str) -> str:
    """Return a text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def number(value: int | None) -> str:
    """Return a number as SQL; nulls are typed, since a column may have nothing else."""
    return "cast(null as bigint)" if value is None else f"bigint '{value}'"


def moment(at: float | None) -> str:
    """Return Unix time as SQL."""
    if at is None:
        return "cast(null as timestamp(6) with time zone)"
    return f"timestamp '{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%S.%f} UTC'"
