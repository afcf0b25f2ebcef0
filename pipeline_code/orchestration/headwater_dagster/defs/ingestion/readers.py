"""The pods that read very large tables together with a run: an additional Job, made when the run asks for it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from headwater_dagster.jobs.api import JobApi, has_ended
from headwater_dagster.jobs.manifest import Manifest, job_manifest
from headwater_dagster.jobs.run import selector, unended

LEAVING_SECONDS = 10
"""How long pods may take to notice that the run has ended, before they are deleted with their logs."""
POLL_SECONDS = 0.5


class Readers:
    """The readers of one run. They cost it nothing where they do not come: it reads on alone."""

    def __init__(
        self,
        api: JobApi,
        cron_job: Manifest,
        *,
        tap: str,
        labels: Mapping[str, str],
        say: Callable[..., Any],
    ) -> None:
        """Begin without a pod. The Job is made from the template of `cron_job` when it is asked for.

        `leader` is the Job that asks, and has to be set before.
        """
        self._api, self._cron_job, self.leader, self._tap = api, cron_job, "", tap
        self._labels, self._say = labels, say
        self._started = False

    def start(self, wanted: Mapping[str, Any]) -> None:
        """Start as many pods as the run wants; the first wish counts."""
        if self._started or self._has_ended(self.leader):
            return
        self._started = True
        manifest = job_manifest(
            self._cron_job,
            name=self._name,
            arguments=["--tap", self._tap, "--reads-for", wanted["share"]],
            environment={},
            labels=self._labels,
        )
        # All read from one queue, and each may be replaced once: a reader that is lost costs a piece, not the run.
        pods = wanted["pods"]
        manifest["spec"] |= {"parallelism": pods, "completions": pods, "backoffLimit": pods}
        try:
            self._api.create_job(manifest)
        except Exception as error:  # a quota, or a cluster that is busy: the run goes on without
            self._say(f"Job {self._name} of {wanted['pods']} readers was refused, the run reads alone: {error}")
            return
        self._say(f"Job {self._name}: {wanted['pods']} pods read a large table with this run")

    @property
    def _name(self) -> str:
        return f"{self.leader}-readers"

    def _has_ended(self, name: str) -> bool:
        """Whether the Job is over: the log of one that was started ahead is read late."""
        known = self._api.jobs(selector(self._labels))
        return any(job["metadata"]["name"] == name and has_ended(job) for job in known)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End what is left of them: a pod that no node has taken would else keep the next run waiting."""
        if not self._started:
            return
        ours = selector(self._labels)
        until = time.monotonic() + (LEAVING_SECONDS if kind is None else 0)
        while time.monotonic() < until:
            if self._name not in {job["metadata"]["name"] for job in unended(self._api, ours)}:
                return
            time.sleep(POLL_SECONDS)
        self._api.delete_job(self._name)
