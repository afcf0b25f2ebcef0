"""Whether a group of models would come out as it is: nothing that it is made of has changed since it was built.

The models of the project say the same for the same tables: what depends on the time of day is a view. A group is
still built once a day, whatever this module thinks.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg

from headwater_dagster.dbt_groups import Group
from headwater_dagster.defs.ingestion.resources import Lake
from headwater_dagster.defs.transformation import records

State = dict[str, str]
"""What decides the outcome: table → its version, and the code and day of the build."""
MADE_OF = "made_of"
"""Metadata with a state. The observation of a group's first model keeps that of the last build that succeeded."""


def versions_statement(tables: Iterable[str]) -> str:
    """Return a query for name and version of each table: its newest snapshot and schema. tables: as SQL names them."""
    return "\nunion all\n".join(
        f"select {records.text(table)}, (select concat_ws('/', cast(latest_snapshot_id as varchar),"  # noqa: S608
        f" cast(latest_schema_id as varchar)) from {_metadata_log(table)} order by timestamp desc, file desc limit 1)"
        for table in tables
    )


def versions(lake: Lake, tables: tuple[str, ...]) -> State:
    """Return table → version as Trino knows them now. Trino's error says when one of the tables is not there."""
    return {name: version or "" for name, version in lake.query(versions_statement(tables))} if tables else {}


def state_before(
    lake: Lake, group: Group, manifest: Path, now: dt.datetime, say: Callable[[str], None]
) -> State | None:
    """Return what a build of the group would be made of; None where that can't be known, as before the first build.

    The reason is told to `say`. The group is built then, and fails for the same reason, where it is one.
    """
    try:
        found = versions(lake, group.read + group.made)
    except Exception as error:
        say(f"{group.name} is built: whether its tables have changed is not known ({error})")
        return None
    return found | {"code": digest(manifest), "day": f"{now.astimezone(dt.UTC):%Y-%m-%d}"}


def state_after(lake: Lake, group: Group, before: State) -> State:
    """Return the state to remember after a build: what it read as it was before, what it made as it is now."""
    return before | versions(lake, group.made)


@cache
def digest(manifest: Path) -> str:
    """Return what stands for the code of all models: each image has its own manifest."""
    return hashlib.sha256(manifest.read_bytes()).hexdigest()[:16]


def remember(context: dg.AssetExecutionContext, state: State) -> None:
    """Keep the state of a build that succeeded."""
    context.log_event(dg.AssetObservation(anchor(context.assets_def), metadata={MADE_OF: state}))


def last_built(instance: dg.DagsterInstance, key: dg.AssetKey) -> State | None:
    """Return the state that was kept last."""
    for record in instance.fetch_observations(key, limit=1).records:
        observation = record.asset_observation
        kept: Any = None if observation is None else observation.metadata.get(MADE_OF)
        value = kept.value if isinstance(kept, dg.JsonMetadataValue) else None
        return dict(value) if isinstance(value, Mapping) else None
    return None


def anchor(assets: dg.AssetsDefinition) -> dg.AssetKey:
    """Return the asset of a group that carries its state."""
    return min(assets.keys)


def results(assets: dg.AssetsDefinition, state: State) -> Iterable[dg.MaterializeResult[None]]:
    """Yield each model of the group: it is up to date, though it was not built."""
    for key in in_order(assets):
        yield dg.MaterializeResult(key, metadata={"built": False, MADE_OF: state})


def in_order(assets: dg.AssetsDefinition) -> list[dg.AssetKey]:
    """Return the models of a group, each after those that it is made of, as Dagster wants them."""
    reads = {spec.key: {dependency.asset_key for dependency in spec.deps} for spec in assets.specs}
    return [key for key in TopologicalSorter(reads).static_order() if key in assets.keys]


def _metadata_log(table: str) -> str:
    """`"lake"."raw"."orders"` → the table of its versions."""
    return f'{table.removesuffix(chr(34))}$metadata_log_entries"'
