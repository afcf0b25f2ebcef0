"""`make status`: workloads, where they answer, the last pipeline run and how fresh the data is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localstack.console import duration
from localstack.endpoints import ENDPOINTS
from localstack.kube import NAMESPACES, Kube
from localstack.pipeline import Dagster, Run
from localstack.reporting import LocalError

KINDS = "deployments,statefulsets,jobs"
_NAME = "app.kubernetes.io/name"
_COMPONENT = "app.kubernetes.io/component"
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


def parse_time(text: str) -> float:
    """Return seconds since 1970 of a Kubernetes timestamp (2026-01-31T10:00:00Z)."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


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
    age = now - parse_time(meta["creationTimestamp"])
    return Workload(meta["namespace"], kind, meta["name"], ready, wanted, state, restarts, age)


def shown(workload: Mapping[str, Any]) -> bool:
    """Return whether an object is part of the platform's set-up: not the Job of a single run."""
    return workload["kind"] != "Job" or _managed(workload)


def _managed(workload: Mapping[str, Any]) -> bool:
    return bool(workload["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "pulumi")


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
    width = max([34, *(len(f"{row.kind}/{row.name}") for row in rows)])
    lines = [f"{'NAMESPACE':<10} {'WORKLOAD':<{width}} {'READY':<6} {'RESTARTS':<9} {'AGE':<13} STATE"]
    for row in sorted(rows, key=lambda each: (each.namespace, order[each.kind], each.name)):
        name = f"{row.kind.lower()}/{row.name}"
        ready = f"{row.ready}/{row.wanted}"
        lines.append(
            f"{row.namespace:<10} {name:<{width}} {ready:<6} {row.restarts:<9} {duration(row.age_s):<13} {row.state}"
        )
    return lines


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
    objects = [item for namespace in NAMESPACES for item in kube.get(f"{KINDS},pods", namespace)]
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


def endpoint_lines() -> list[str]:
    """Return where people find the services."""
    return [f"  {each.name:<10} {each.url:<34} {each.purpose}" for each in ENDPOINTS]
