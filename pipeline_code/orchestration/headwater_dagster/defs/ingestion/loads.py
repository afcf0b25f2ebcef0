"""The Jobs that load the sources of a run, several at once.

A run is one process whose steps come one after the other. Its Jobs need not: the first step that loads starts those of
the other sources, too, and each later step takes up its own.
"""

import dataclasses
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster_pipes import PipesDefaultContextLoader
from headwater_contracts import Contract, Source

from headwater_dagster.defs.ingestion.streams import connected, raw_key, sources
from headwater_dagster.jobs.api import JobApi
from headwater_dagster.jobs.manifest import Manifest, job_manifest
from headwater_dagster.jobs.run import left_over, selector, unended

RUN_LABEL, ROOT_LABEL, SOURCE_LABEL = "headwater/run-id", "headwater/root-run-id", "headwater/source"
AT_ONCE = "HEADWATER_LOADS_AT_ONCE"
"""Variable in the CronJob's template: how many sources of a run are loaded at the same time."""

_begun: set[tuple[str, str]] = set()
"""(Run, source) whose Job this process has started or looked for: it is not started ahead of its step once more."""


@dataclass(frozen=True)
class Load:
    """What a run loads of a source, with one Job."""

    source: Source
    streams: tuple[Contract, ...]
    run: dg.DagsterRun

    @property
    def arguments(self) -> list[str]:
        """Return what headwater-ingest is asked for."""
        return ["--tap", self.source.tap, "--streams", ",".join(stream.stream for stream in self.streams)]

    @property
    def of_run(self) -> dict[str, str]:
        """Return the label of all Jobs of the run."""
        return {RUN_LABEL: self.run.run_id}

    @property
    def attempts(self) -> dict[str, str]:
        """Return the labels of the source's Jobs in this run, and in those that it tries again."""
        return {ROOT_LABEL: self.run.root_run_id or self.run.run_id, SOURCE_LABEL: self.source.name}

    def rivals(self, cron_job: str) -> str:
        """Return the selector of Jobs that may load the same streams: those of this source, and those of nobody's.

        A Job that a person started carries no source; what it loads is not known.
        """
        others = ",".join(each.name for each in sources() if each.name != self.source.name)
        return f"app.kubernetes.io/name={cron_job}" + (f",{SOURCE_LABEL} notin ({others})" if others else "")

    def earlier(self, api: JobApi, *, failed: bool = False) -> str | None:
        """Return the Job that does this work already, None without one; `failed`: also one of this run that failed."""
        return left_over(api, self.attempts, self.of_run, self.arguments, failed=failed)

    def start(self, api: JobApi, cron_job: Manifest, environment: Mapping[str, str]) -> str:
        """Create the Job from the CronJob's template; return its name."""
        name = f"{cron_job['metadata']['name']}-{self.source.name.replace('_', '-')}"
        name += f"-{self.run.run_id[:8]}-{secrets.token_hex(2)}"
        labels = self.of_run | self.attempts
        api.create_job(
            job_manifest(cron_job, name=name, arguments=self.arguments, environment=environment, labels=labels)
        )
        return name


def step_of(source: Source) -> str:
    """Return the name of the step that loads a source."""
    return f"ingest_{source.name.replace('-', '_')}"


def load_of(run: dg.DagsterRun, source: Source) -> Load | None:
    """Return what a run is to load of a source, None where that is nothing. Without a selection it loads all."""
    steps, assets = run.step_keys_to_execute, run.asset_selection
    if steps is not None and step_of(source) not in steps:
        return None
    streams = tuple(each for each in source.streams if not assets or raw_key(each.table) in assets)
    return Load(source, streams, run) if streams else None


def begin(load: Load) -> None:
    """Remember that the load's own step has come: nobody starts it ahead any more."""
    _begun.add((load.run.run_id, load.source.name))


def start_others(
    api: JobApi,
    cron_job: Manifest,
    load: Load,
    *,
    steps: Collection[str],
    session: dg.PipesSession,
    say: Callable[[str], None],
) -> None:
    """Start the Jobs of sources whose steps are still to come, until as many run at once as the stack allows.

    steps: those of the run's job. A source that somebody else is loading is left to its own step, which waits for
    that. So is one whose Job is refused, as by a quota.
    """
    run, cron_job_name = load.run, str(cron_job["metadata"]["name"])
    all_loads = [load_of(run, source) for source in connected() if step_of(source) in steps]
    waiting = [each for each in all_loads if each is not None and (run.run_id, each.source.name) not in _begun]
    if not waiting:
        return
    at_work = {job["metadata"]["labels"].get(SOURCE_LABEL) for job in unended(api, selector(load.of_run))}
    room = at_once(cron_job) - len(at_work | {load.source.name})
    for other in waiting[: max(room, 0)]:
        if unended(api, other.rivals(cron_job_name)):
            continue
        begin(other)
        try:
            name = other.start(api, cron_job, environment_of(session, other))
        except Exception as error:
            say(f"the load of {other.source.name} was refused, its own step starts it: {error}")
            continue
        say(f"Job {name} loads {other.source.name} meanwhile")


def at_once(cron_job: Manifest) -> int:
    """Return how many sources of a run the stack's CronJob allows to be loaded at the same time: 1 without a word."""
    container = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    said = [each["value"] for each in container.get("env", []) if each["name"] == AT_ONCE]
    return int(said[0]) if said else 1


def end_all(api: JobApi, load: Load) -> None:
    """Delete the Jobs of a run that somebody has cancelled: their steps do not come any more."""
    for job in unended(api, selector(load.of_run)):
        api.delete_job(job["metadata"]["name"])


def environment_of(session: dg.PipesSession, load: Load) -> dict[str, str]:
    """Return what tells headwater-ingest, through Dagster Pipes, which assets to report. session: that of a step."""
    keys = [raw_key(stream.table).to_user_string() for stream in load.streams]
    about = {**session.context_data, "asset_keys": keys}
    about |= {name: dict.fromkeys(keys) for name in ("code_version_by_asset_key", "provenance_by_asset_key")}
    told = {PipesDefaultContextLoader.DIRECT_KEY: about}
    return dict(dataclasses.replace(session, context_injector_params=told).get_bootstrap_env_vars())
