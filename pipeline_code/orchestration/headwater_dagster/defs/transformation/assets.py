"""The dbt project as assets: one for each model, with its tests as checks."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, DbtProject, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from headwater_dagster.dbt_groups import MODELS, Group
from headwater_dagster.dbt_results import read_failure
from headwater_dagster.defs.ingestion.resources import Lake
from headwater_dagster.defs.ingestion.streams import connected
from headwater_dagster.defs.pipeline.jobs import PIPELINE_TAG
from headwater_dagster.defs.transformation import project, records, unchanged

FULL_REFRESH = "headwater/full-refresh"
"""Tag of a run that makes every table anew: with the value true."""


class Translator(DagsterDbtTranslator):
    """Assets are keyed by the schema that dbt builds them in: marts/fct_orders.

    Their group is the domain: dbt's group, or the source whose tables a staging model prepares, by its folder.
    """

    def __init__(self, fresh: dg.FreshnessPolicy | None) -> None:
        """`fresh`: how old a model may be."""
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True))
        self._fresh = fresh

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the domain."""
        domain = super().get_group_name(dbt_resource_props)
        return str(dbt_resource_props["fqn"][-2]) if domain is None else domain

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Return the asset of a model, source or seed."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        is_model = unique_id.partition(".")[0] in MODELS
        return spec.replace_attributes(freshness_policy=self._fresh) if is_model else spec


def models_of(group: Group) -> dg.AssetsDefinition:
    """Return the step that builds a group of models, with one start of dbt."""

    @dbt_assets(
        name=group.name,
        manifest=project.project().manifest_path,
        select=group.select,
        dagster_dbt_translator=Translator(as_fresh_as(group.sources)),
        retry_policy=dg.RetryPolicy(max_retries=1, delay=20, backoff=dg.Backoff.EXPONENTIAL),
        pool="lake_writers",
    )
    def build(context: dg.AssetExecutionContext, dbt: DbtCliResource, lake: Lake) -> Iterator[Any]:
        """Build the selected models in dependency order, each followed by its tests."""
        state = state_of_pipeline(context, lake, group)
        if state is not None and state == unchanged.last_built(context.instance, unchanged.anchor(context.assets_def)):
            context.log.info(f"not built: nothing that {group.name} reads has changed since it was built")
            yield from unchanged.results(context.assets_def, state)
            records.record_loads(context, lake)
            return
        yield from built(context, dbt, lake)
        if state is not None:
            unchanged.remember(context, unchanged.state_after(lake, group, state))

    return build


def as_fresh_as(names: Collection[str]) -> dg.FreshnessPolicy | None:
    """Return how old a model may be that is made of these sources: as old as the strictest of their contracts allows.

    A run that has loaded them builds it, too, or finds that nothing has changed.
    """
    streams = [stream for source in connected() if source.name in names for stream in source.streams]
    limits = [stream.freshness for stream in streams if stream.freshness is not None]
    if not limits:
        return None
    fail, warn = min(limit.fail for limit in limits), min(limit.warn for limit in limits)
    # With the strictest of each, a warning may come no later than the failure.
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn if warn < fail else None)


def state_of_pipeline(context: dg.AssetExecutionContext, lake: Lake, group: Group) -> unchanged.State | None:
    """Return what the group would be made of; None where it is built in any case.

    That is a run that makes everything anew, and whatever a person chose in Dagster's page.
    """
    tags = context.run.tags
    if PIPELINE_TAG not in tags or tags.get(FULL_REFRESH) == "true" or not is_whole(context.assets_def):
        return None
    manifest, now = project.project().manifest_path, dt.datetime.now(dt.UTC)
    return unchanged.state_before(lake, group, manifest, now, context.log.info)


def built(context: dg.AssetExecutionContext, dbt: DbtCliResource, lake: Lake) -> Iterator[Any]:
    """Run dbt for what the step has to build. Unit tests are left out: they test the code, which CI does, not the data.

    The group's selection names its tests: those that also touch models of another group belong to one of the two.
    """
    folder = project.SCRATCH / f"{context.op.name}-{context.run.run_id[:8]}-{context.retry_number}"
    context.log.info("dbt's log is the log of this run's pod: kubectl logs, see the pod's name at the start of the run")
    command = ["build", "--exclude-resource-type", "unit_test"]
    if is_whole(context.assets_def):
        command += ["--indirect-selection", "empty"]
    if context.run.tags.get(FULL_REFRESH) == "true":
        command += ["--full-refresh"]
    invocation = dbt.cli(command, context=context, target_path=folder)
    try:
        yield from invocation.stream()
    except DagsterDbtCliRuntimeError as error:
        failure = read_failure(invocation.get_artifact("run_results.json")) if results_written(folder) else None
        if failure is None:
            raise
        again = 'make dbt a="build --select …" repeats a part by hand, in schemas of your own'
        raise dg.Failure(f"{failure}\n{again}", allow_retries=failure.may_pass_again) from error
    finally:
        if results_written(folder):
            found = invocation.get_artifact("run_results.json")
            tests = records.outcome_statements(found, invocation.manifest["nodes"])
            records.record(lake.query, tests, context.log.warning)
            records.record_loads(context, lake)


def is_whole(assets: dg.AssetsDefinition) -> bool:
    """Whether a run builds and checks all of a step; dagster-dbt then passes the step's selection on as it is."""
    return (
        assets.keys_by_output_name == assets.node_keys_by_output_name
        and assets.check_specs_by_output_name == assets.node_check_specs_by_output_name
    )


def results_written(folder: Path) -> bool:
    """Whether dbt came far enough to say what happened to each node."""
    return (folder / "run_results.json").exists()
