"""`make status`: workloads, their addresses, the last pipeline run and the age of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.platform.dagster import Dagster, Run
from cli.platform.kube import Kube
from cli.table import table
from localstack.console import duration
from localstack.errors import LocalError

KINDS = "deployments,statefulsets,jobs"
_NAME = "app.kubernetes.io/name"
_COMPONENT = "app.kubernetes.io/component"
_PROGRESS = re.compile(r"\bProgress of (.+?): (.*)")
LOG_LINES = 200
"""Of a load's log that are looked through for its progress, which is said every ten seconds."""
_DONE = "done"
_OK = "ok"


@dataclass(frozen=True)
class Workload:
    """A workload as a row: `ready` of `wanted` pods, `state` ok/done or what is wrong, restarts, age in seconds."""

    namespace: str
    kind: str
    name: str
    ready: int
    wanted: int
    state: str
    restarts: int
    age_s: float

    @property
    def healthy(self) -> bool:
        """Return whether nothing is to be done about it."""
        return self.state in {_OK, _DONE}


def owned_pods(workload: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the pods that the workload's selector matches, in its namespace."""
    selector = workload["spec"].get("selector", {}).get("matchLabels", {})
    return [
        pod
        for pod in pods
        if selector
        and pod["metadata"]["namespace"] == workload["metadata"]["namespace"]
        and selector.items() <= pod["metadata"].get("labels", {}).items()
    ]


def trouble(pod: Mapping[str, Any]) -> str | None:
    """Return what keeps a pod from being ready, in a few words, or None when it is ready or has ended well."""
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return None
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting")
        if waiting is not None and waiting.get("reason") not in {None, "PodInitializing", "ContainerCreating"}:
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ").splitlines()[0][:100]
        ended = container.get("state", {}).get("terminated")
        if ended is not None and ended.get("exitCode") != 0:
            return f"{container['name']} exited {ended['exitCode']} ({ended.get('reason', 'Error')})"
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', 'Unscheduled')}: {condition.get('message', '')}"[:100]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))
    return None if ready else "starting"


def parse_workload(workload: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], now: float) -> Workload:
    """Return the row of a Deployment, StatefulSet or Job with the pods of all namespaces."""
    kind, meta, status = workload["kind"], workload["metadata"], workload.get("status", {})
    mine = owned_pods(workload, pods)
    if kind == "Job":
        wanted, ready = workload["spec"].get("completions", 1), status.get("succeeded", 0)
        state = _DONE if ready >= wanted else ""
    else:
        wanted, ready = workload["spec"].get("replicas", 1), status.get("readyReplicas", 0)
        current = status.get("observedGeneration", 0) >= meta.get("generation", 0)
        state = _OK if ready >= wanted and current else ""
    if not state:
        reasons = [reason for pod in mine if (reason := trouble(pod)) is not None]
        failed = [
            each for each in status.get("conditions", []) if each["type"] == "Failed" and each["status"] == "True"
        ]
        state = failed[0].get("reason", "failed") if failed else next(iter(reasons), "waiting for its pods")
    restarts = sum(
        container["restartCount"] for pod in mine for container in pod.get("status", {}).get("containerStatuses", [])
    )
    age = now - datetime.fromisoformat(meta["creationTimestamp"]).timestamp()
    return Workload(meta["namespace"], kind, meta["name"], ready, wanted, state, restarts, age)


def shown(workload: Mapping[str, Any]) -> bool:
    """Return whether an object is part of the platform's set-up: not the Job of a single run."""
    managed = workload["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "pulumi"
    return bool(workload["kind"] != "Job" or managed)


def components(pods: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return what `make logs c=` takes: name or name-component → (namespace, label selector)."""
    found: dict[str, tuple[str, str]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        name, component = labels.get(_NAME), labels.get(_COMPONENT)
        if name is None:
            continue
        namespace = pod["metadata"]["namespace"]
        found[name] = (namespace, f"{_NAME}={name}")
        if component is not None:
            found.setdefault(f"{name}-{component}", (namespace, f"{_NAME}={name},{_COMPONENT}={component}"))
    return found


def render_workloads(rows: Sequence[Workload]) -> list[str]:
    """Return the table's lines, one a workload, in the order namespace, kind, name."""
    order = {"StatefulSet": 0, "Deployment": 1, "Job": 2}
    columns = ("NAMESPACE", "WORKLOAD", "READY", "RESTARTS", "AGE", "STATE")
    return table(columns, [
        (row.namespace, f"{row.kind.lower()}/{row.name}", f"{row.ready}/{row.wanted}", str(row.restarts),
         duration(row.age_s), row.state)
        for row in sorted(rows, key=lambda each: (each.namespace, order[each.kind], each.name))
    ])  # fmt: skip


def render_run(last: Run | None, success: Run | None, errors: Sequence[str], now: float) -> list[str]:
    """Return the lines about the pipeline: the last run, why it failed, and the age of the newest good data."""
    if last is None:
        return ["Pipeline: never run; `make run` starts it"]
    took = duration(last.seconds(now))
    when = duration(now - last.created)
    if last.running:
        lines = [f"Pipeline: {last.status.lower()} for {took} (run {last.run_id})"]
    else:
        lines = [f"Pipeline: {last.status.lower()}, took {took}, started {when} ago (run {last.run_id})"]
    lines += [f"  error: {error}" for error in errors]
    if success is None or success.ended is None:
        lines.append("Data:     no run has succeeded yet")
    else:
        lines.append(f"Data:     {duration(now - success.ended)} old (end of the last successful run)")
    return lines


def gather(kube: Kube, now: float) -> list[Workload]:
    """Return the rows of every workload of the platform. Raises LocalError when the cluster does not answer."""
    objects = [item for namespace in kube.platform.namespaces for item in kube.get(f"{KINDS},pods", namespace)]
    pods = [item for item in objects if item["kind"] == "Pod"]
    return [parse_workload(item, pods, now) for item in objects if item["kind"] != "Pod" and shown(item)]


def pipeline_lines(dagster: Dagster, now: float) -> list[str]:
    """Return the lines about the pipeline, or one that says why they can't be had."""
    try:
        last, success = dagster.last(), dagster.last("SUCCESS")
        errors = dagster.errors(last.run_id) if last is not None and last.status == "FAILURE" else []
    except LocalError as error:
        return [f"Pipeline: unknown: {error}"]
    return render_run(last, success, errors, now)


def progress_lines(kube: Kube) -> list[str]:
    """Return how far the long reads of loads that run now have come: the last word of their logs on each table."""
    found: dict[str, str] = {}
    running = ("-l", "headwater/source", "--field-selector", "status.phase=Running")
    namespace = kube.platform.namespace
    for pod in kube.get("pods", namespace, *running):
        try:
            log = kube.output("logs", "-n", namespace, pod["metadata"]["name"], f"--tail={LOG_LINES}")
        except LocalError:
            continue  # it has just ended, or begins
        for line in log.splitlines():
            # What Dagster gets is a line of its own, in JSON.
            if (said := _PROGRESS.search(line)) is not None and not line.startswith("{"):
                found[said[1]] = f"  {said[1]}: {said[2]}"
    return list(found.values())
