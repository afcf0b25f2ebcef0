"""Facts about the pipeline, read from Dagster's records; this runs no query."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from headwater_dagster.metrics import Facts

# Metadata of the checks on raw streams that says when the newest row was loaded.
NEWEST_LOAD = "newest_load"
# A run is stored a moment after it ended: the last look is overlapped, and what was counted is remembered.
OVERLAP = dt.timedelta(minutes=10)
ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]


@dataclass(frozen=True)
class Memory:
    """What the next look needs to know of the last: when it was, which runs it counted, and marts never built.

    awaited: mart → Unix time since when it is expected; until it is built, that is its age.
    """

    looked: float
    counted: frozenset[str] = frozenset()
    awaited: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: str | None, now: dt.datetime) -> "Memory":
        """Return the memory in a sensor's cursor; without one, that of a first look."""
        if cursor is None:
            return cls(now.timestamp())
        known = json.loads(cursor)
        return cls(known["looked"], frozenset(known["counted"]), known["awaited"])

    def cursor(self) -> str:
        """Return the memory as a sensor's cursor."""
        return json.dumps({"looked": self.looked, "counted": sorted(self.counted), "awaited": dict(self.awaited)})


def look(
    instance: dg.DagsterInstance,
    keys: Iterable[dg.AssetKey],
    checks: Iterable[dg.AssetCheckKey],
    memory: Memory,
    now: dt.datetime,
) -> tuple[Facts, Memory]:
    """Return the facts at `now`, and what the next look must know. keys, checks: all assets and checks there are."""
    since = dt.datetime.fromtimestamp(memory.looked, dt.UTC) - OVERLAP
    records = instance.get_run_records(dg.RunsFilter(statuses=ENDED, updated_after=since))
    # A run that ended long ago is updated again, by a retry or a tag; it was counted then.
    ended = {
        record.dagster_run.run_id: record.dagster_run
        for record in records
        if record.end_time is not None and record.end_time >= since.timestamp()
    }
    new = [run for run_id, run in ended.items() if run_id not in memory.counted]
    failed = [run for run in new if run.status == dg.DagsterRunStatus.FAILURE and not _is_tried_again(run)]
    built = _last_materialized(instance, keys)
    marts = {key.path[-1]: at for key, at in built.items() if key.path[0] == "marts"}
    streams = {key.path[-1]: at for key, at in built.items() if key.path[0] == "raw"}
    moment = now.timestamp()
    awaited = {mart: memory.awaited.get(mart, moment) for mart, at in marts.items() if at is None}
    facts = Facts(
        runs_failed=len(failed),
        runs_succeeded=len([run for run in new if run.status == dg.DagsterRunStatus.SUCCESS]),
        mart_ages={mart: moment - (awaited[mart] if at is None else at) for mart, at in marts.items()},
        stream_ages={stream: moment - at for stream, at in streams.items() if at is not None},
        newest_rows={stream: moment - at for stream, at in _newest_rows(instance, checks).items()},
    )
    return facts, Memory(moment, frozenset(ended), awaited)


def _is_tried_again(run: dg.DagsterRun) -> bool:
    """Whether Dagster starts the run anew by itself: only the last failure is one that somebody must look at."""
    return run.tags.get(WILL_RETRY_TAG) == "true"


def _last_materialized(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, float | None]:
    """Return Unix time of the last materialization of each asset, None where there was none."""
    found: dict[dg.AssetKey, float | None] = dict.fromkeys(keys)
    for record in instance.get_asset_records(list(found)):
        event = record.asset_entry.last_materialization
        if event is not None:
            found[record.asset_entry.asset_key] = event.timestamp
    return found


def _newest_rows(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> dict[str, float]:
    """Return Unix time at which the newest row of each raw stream was loaded, as the last check found it."""
    found = {}
    for key in checks:
        if key.asset_key.path[0] != "raw":
            continue
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
        event = None if record is None or record.event is None else record.event.dagster_event
        metadata: Mapping[str, Any] = {} if event is None else event.asset_check_evaluation_data.metadata
        if (value := metadata.get(NEWEST_LOAD)) is not None and (at := _moment(value.value)) is not None:
            found[key.asset_key.path[-1]] = at
    return found


def _moment(text: object) -> float | None:
    """Return Unix time of a timestamp as Trino writes it (`2026-01-31 12:00:00.000000 UTC`), None of another text."""
    try:
        parsed = dt.datetime.fromisoformat(str(text).removesuffix(" UTC"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)).timestamp()
