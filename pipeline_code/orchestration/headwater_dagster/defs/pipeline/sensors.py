"""Starts the pipeline when the shop has rows that the lake does not have. Off until somebody switches it on."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import dagster as dg
from headwater_contracts import Contract

from headwater_dagster.defs.ingestion.resources import Shop
from headwater_dagster.defs.ingestion.streams import sources
from headwater_dagster.defs.pipeline.jobs import is_under_way, petco_pipeline

SHOP = "shop"
"""The source that the sensor can look into; the others are read when the pipeline runs."""
WILL_RETRY = "dagster/will_retry"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 120, 3600
"""After a run that failed: twice as long each time."""
State = dict[str, list[Any]]
"""Stream → its newest change, and its count of writes."""


@dataclass(frozen=True)
class Memory:
    """What the sensor knows between two looks: its cursor.

    loaded: the state of the shop that a run has loaded, None at first. asked: the state that the last request was
    for, with its key; None once that run has succeeded. failures: how many runs have failed since; the next is asked
    for at `not_before` (seconds since 1970).
    """

    loaded: State | None = None
    asked: State | None = None
    key: str = ""
    failures: int = 0
    not_before: float = 0

    @classmethod
    def of(cls, cursor: str | None) -> "Memory":
        """Return what a cursor says; one of an earlier version was the state alone."""
        known = json.loads(cursor) if cursor is not None else {}
        if not isinstance(known.get("not_before"), int | float):
            return cls(known if known else None)
        return cls(**known)

    def cursor(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def state_statement(streams: Sequence[Contract]) -> str:
    """Return a query for each stream's newest change and its count of writes since the database began to count.

    Both cost microseconds at any size: the first is the end of an index, the second is kept by PostgreSQL. The count
    sees rows that arrive with an old time of change, and those that are deleted.
    """
    return "\nunion all\n".join(
        f"select {literal(each.stream)}, {newest(each)}, (select n_tup_ins + n_tup_upd + n_tup_del"  # noqa: S608
        f" from pg_stat_user_tables where schemaname = {literal(SHOP)} and relname = {literal(each.stream)})"
        for each in streams
    )


def newest(stream: Contract) -> str:
    """Return the expression for a stream's newest change; null where no column tells it."""
    if stream.replication_key is None:
        return "null::text"
    table = f"{quoted(SHOP)}.{quoted(stream.stream)}"
    return f"(select max({quoted(stream.replication_key)})::text from {table})"  # noqa: S608 - names are quoted


def quoted(identifier: str) -> str:
    """Return an identifier in PostgreSQL's SQL."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text in PostgreSQL's SQL."""
    return "'" + value.replace("'", "''") + "'"


def changed_streams(known: State | None, now: State) -> list[str]:
    """Return the streams whose state is not the known one; all of them when none is known."""
    return [stream for stream, state in now.items() if (known or {}).get(stream) != state]


def outcome(instance: dg.DagsterInstance, key: str) -> dg.DagsterRun | None:
    """Return the run that was asked for by this key, or the run that Dagster has made of it again."""
    found = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": key}), limit=1) if key else []
    run = found[0] if found else None
    while run is not None and (again := run.tags.get("dagster/auto_retry_run_id")) is not None:
        run = instance.get_run_by_id(again)
    return run


def remembered(memory: Memory, run: dg.DagsterRun | None, now_s: float) -> Memory:
    """Return what to remember after the run that was asked for last, None where there is no such run."""
    if memory.asked is None or run is None:
        return memory
    if run.status == dg.DagsterRunStatus.SUCCESS:
        return Memory(loaded=memory.asked)
    failures = memory.failures + 1
    pause = min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S)
    return replace(memory, asked=None, key="", failures=failures, not_before=now_s + pause)


@dg.sensor(
    name="shop_has_new_rows",
    job=petco_pipeline,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Looks every minute whether the shop's tables changed, and runs the pipeline when none is under way. "
    "What a failed run was to load is asked for again, after a pause.",
)
def shop_has_new_rows(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Compare the shop with what a run has loaded. Only a run that succeeded moves that on, so no change is missed."""
    shop = Shop.from_environment()
    if shop is None:
        return dg.SkipReason("no source is set up: SHOP_HOST is not in the environment of the code location")
    if is_under_way(context.instance):
        return dg.SkipReason("a run is under way; the shop is looked at when it has ended")
    streams = [stream for source in sources() if source.name == SHOP for stream in source.streams]
    now = {stream: [change, writes] for stream, change, writes in shop.query(state_statement(streams))}
    memory = Memory.of(context.cursor)
    asked = outcome(context.instance, memory.key)
    if asked is not None and asked.status == dg.DagsterRunStatus.FAILURE and asked.tags.get(WILL_RETRY) == "true":
        return dg.SkipReason("the run that failed is about to be run again")
    memory = remembered(memory, asked, time.time())
    changed = changed_streams(memory.loaded, now)
    if not changed:
        return dg.SensorResult(skip_reason="the shop's tables are as they were", cursor=memory.cursor())
    if time.time() < memory.not_before:
        wait = f"{', '.join(changed)} changed; {memory.failures} runs have failed, the next is asked for later"
        return dg.SensorResult(skip_reason=wait, cursor=memory.cursor())
    # With the time: the shop's counts may begin anew, and Dagster runs no key twice.
    key = hashlib.sha256(json.dumps([now, time.time()]).encode()).hexdigest()
    memory = replace(memory, asked=now, key=key)
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)], cursor=memory.cursor())
