"""Follows one Job to its end: waits for its pod, hands on its log, and says in words why it failed."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headwater_dagster.jobs import pod as pods
from headwater_dagster.jobs.api import JobApi, has_ended, has_failed
from headwater_dagster.jobs.manifest import Manifest

TAIL_LINES = 40


class JobFailed(Exception):
    """The Job did not do its work; the text says why and what to look at. code: its container's, None without one."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Patience:
    """Seconds to wait: for a pod to be made, for a node to take it, for its container to start, for others to end."""

    pod: float = 60
    node: float = 180
    start: float = 600
    others: float = 1800


def follow_job(
    api: JobApi, job: str, on_line: Callable[[str], bool], patience: Patience, cancelled: Callable[[], bool]
) -> None:
    """Return when the Job succeeded; raise JobFailed when it did not, or never will.

    `on_line` gets each line of the log, from its beginning, and returns whether it is worth repeating in an error. A
    Job is deleted whose pod does not start, and one that a person has `cancelled`. Whatever else ends the waiting, a
    cluster that can't be reached or a run's pod that has to go, leaves the Job at work: the next attempt takes it up.
    """
    try:
        pod_name = wait_for_start(api, job, patience)
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        for line in api.log_lines(pod_name):
            if on_line(line):
                tail.append(line)
        how = wait_for_exit(api, job)
    except JobFailed:
        api.delete_job(job)
        raise
    except BaseException:
        if cancelled():
            api.delete_job(job)
        raise
    if not how.succeeded:
        raise JobFailed(pods.failure_text(job, api.namespace, how, list(tail)), code=how.code)


def left_over(
    api: JobApi, attempts: Mapping[str, str], run: Mapping[str, str], arguments: Sequence[str], *, failed: bool = False
) -> str | None:
    """Return the Job that an earlier attempt has left and that does what this one is to do, None if there is none.

    attempts: labels of all attempts, those of runs included that this run tries again; run: labels of this run's own.
    A Job that still runs is taken up, whichever attempt made it. One that has succeeded is so only where this run made
    it: this one is to load what came since. One that has failed is left alone, unless this run made it and `failed`
    asks for it. One that has ended and whose pod is gone can't say what it did: it is left alone, too.
    """
    for job in reversed(api.jobs(selector(attempts))):
        same = job["spec"]["template"]["spec"]["containers"][0].get("args") == list(arguments)
        own = run.items() <= job["metadata"].get("labels", {}).items()
        if has_ended(job) and next(iter(api.pods(job["metadata"]["name"]))) is None:
            continue  # its node went, and its log with it
        if same and (not has_failed(job) or (failed and own)) and (own or not has_ended(job)):
            return str(job["metadata"]["name"])
    return None


def wait_for_start(api: JobApi, job: str, patience: Patience) -> str:
    """Return the name of the Job's pod once it has a log; raise JobFailed when it never will, or took too long."""
    begun = time.monotonic()
    for pod in api.pods(job):
        waited = time.monotonic() - begun
        if pod is None:
            if waited > patience.pod:
                said = "; ".join(api.events(job)) or "the cluster gave no reason"
                raise JobFailed(f"Job {api.namespace}/{job} got no pod within {patience.pod:.0f} s: {said}")
            continue
        name = str(pod["metadata"]["name"])
        if pods.has_started(pod):
            return name
        if (stuck := pods.stuck_reason(pod)) is not None:
            raise JobFailed(f"pod {api.namespace}/{name} cannot start: {stuck}")
        homeless = pods.unschedulable_reason(pod)
        if homeless is not None and waited > patience.node:
            raise JobFailed(f"no node took pod {api.namespace}/{name} within {patience.node:.0f} s: {homeless}")
        if waited > patience.start:
            said = "; ".join(api.events(name)) or "the cluster gave no reason"
            raise JobFailed(f"pod {api.namespace}/{name} did not start within {patience.start:.0f} s: {said}")
    raise AssertionError("unreachable: the pods of a Job are watched for ever")


def wait_for_exit(api: JobApi, job: str) -> pods.Exit:
    """Return how the Job's container ended, after its log has ended."""
    missing = 0
    for pod in api.pods(job):
        if pod is None:
            missing += 1
            if missing > 1:
                return pods.Exit(-1, "PodDeleted", "the pod was deleted while it ran")
        elif (how := pods.container_exit(pod)) is not None:
            return how
    raise AssertionError("unreachable: the pods of a Job are watched for ever")


def clear_the_way(
    api: JobApi,
    which: str,
    own: Mapping[str, str],
    say: Callable[[str], None],
    patience: Patience,
    *,
    spared: str | None = None,
) -> None:
    """Return when no Job of the selector `which` runs but the spared one: two loads of a stream would write rows twice.

    What an earlier attempt has left behind (its labels include `own`) is deleted; others are waited for.
    """

    def rivals() -> list[Manifest]:
        return [job for job in unended(api, which) if job["metadata"]["name"] != spared]

    begun = time.monotonic()
    told: set[str] = set()
    jobs = rivals()
    if not jobs:
        return
    # The pod's watch serves as the clock: it ticks at each change, and every few seconds.
    for _ in api.pods(jobs[0]["metadata"]["name"]):
        for job in jobs:
            name, labels = job["metadata"]["name"], job["metadata"].get("labels", {})
            if name not in told:
                told.add(name)
                ours = own.items() <= labels.items()
                say(f"{'deleting' if ours else 'waiting for'} Job {name}, which is still running")
                if ours:
                    api.delete_job(name)
        jobs = rivals()
        if not jobs:
            return
        if time.monotonic() - begun > patience.others:
            names = ", ".join(job["metadata"]["name"] for job in jobs)
            raise JobFailed(f"still running after {patience.others:.0f} s: {names}. Delete it, or wait, and run again")


def unended(api: JobApi, which: str) -> list[Manifest]:
    """Return the Jobs of a selector that are still at work."""
    return [job for job in api.jobs(which) if not has_ended(job)]


def selector(labels: Mapping[str, str]) -> str:
    """Return the API's text for objects that have all these labels."""
    return ",".join(f"{name}={value}" for name, value in labels.items())
