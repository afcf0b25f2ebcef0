"""One-off Jobs from a CronJob's template: run another command in the same image, and watch it."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cli.platform.kube import Kube
from cli.platform.status import trouble
from localstack.console import Step
from localstack.errors import LocalError

START_S = 180
KEEP_S = 3600


def from_cronjob(cronjob: Mapping[str, Any], name: str, command: Sequence[str], args: Sequence[str]) -> dict[str, Any]:
    """Return the Job `name` of a CronJob's template whose first container runs `command` with `args`, once."""
    template = json.loads(json.dumps(cronjob["spec"]["jobTemplate"]))
    meta = template.get("metadata", {})
    spec = template["spec"] | {"backoffLimit": 0, "ttlSecondsAfterFinished": KEEP_S}
    container = spec["template"]["spec"]["containers"][0]
    container |= {"command": list(command), "args": list(args)}
    spec["template"]["spec"]["restartPolicy"] = "Never"
    labels = meta.get("labels", {}) | {"app.kubernetes.io/managed-by": "headwater-command"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": cronjob["metadata"]["namespace"],
            "labels": labels,
            "annotations": meta.get("annotations", {}),
        },
        "spec": spec,
    }


def exit_code(pod: Mapping[str, Any]) -> int | None:
    """Return the exit status of the pod's first container, or None while it has none."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    ended = statuses[0].get("state", {}).get("terminated") if statuses else None
    return None if ended is None else int(ended["exitCode"])


def run(kube: Kube, namespace: str, cronjob: str, command: Sequence[str], args: Sequence[str]) -> int:
    """Run `command` in a Job made from the CronJob, stream its output, and return its exit status.

    An interrupt deletes the Job. Raises LocalError when the pod is refused or does not start within START_S seconds.
    """
    source = kube.get(f"cronjob/{cronjob}", namespace)[0]
    name = f"{cronjob}-{secrets.token_hex(3)}"
    print(f"job {namespace}/{name}: {' '.join([*command, *args])}", file=sys.stderr, flush=True)
    try:
        with _started(kube, from_cronjob(source, name, command, args)) as pod:
            kube.call("logs", "-n", namespace, "-f", pod)
            return _ended(kube, namespace, pod)
    except (KeyboardInterrupt, LocalError):
        print(f"\njob {namespace}/{name} is stopped and deleted", file=sys.stderr)
        raise


def capture(kube: Kube, job: Mapping[str, Any]) -> tuple[int, str]:
    """Run a Job to its end and return exit status and log; it is deleted, however it ends."""
    namespace = job["metadata"]["namespace"]
    with _started(kube, job, keep=False) as pod:
        code = _ended(kube, namespace, pod)
        return code, kube.output("logs", "-n", namespace, pod)


def follow(kube: Kube, job: Mapping[str, Any], step: Step, on_line: Callable[[str], str | None] | None = None) -> int:
    """Run a Job to its end with its log as the step's, and return its exit status. An interrupt deletes it.

    `on_line` is Step.run's.
    """
    namespace = job["metadata"]["namespace"]
    with _started(kube, job) as pod:
        step.run(kube.argv("logs", "-n", namespace, "-f", pod), env=kube.environment(), on_line=on_line)
        return _ended(kube, namespace, pod)


@contextlib.contextmanager
def _started(kube: Kube, job: Mapping[str, Any], *, keep: bool = True) -> Iterator[str]:
    """Create a Job and yield its pod, which has started. The Job is deleted after an interrupt or a LocalError.

    keep: False deletes it in any case.
    """
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    kube.output("create", "-f", "-", input=json.dumps(job))
    try:
        yield _pod_of(kube, namespace, name)
    except (KeyboardInterrupt, LocalError):
        keep = False
        raise
    finally:
        if not keep:
            kube.output("delete", "job", "-n", namespace, name, "--cascade=foreground", "--wait=false")


def creation_error(events: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why a Job's pod was refused (quota, admission), from the events of the Job, or None."""
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    return None if not refused else str(refused[-1].get("message", "refused"))


def _pod_of(kube: Kube, namespace: str, job: str) -> str:
    """Return the name of the Job's pod once it runs or has ended."""
    deadline = time.monotonic() + START_S
    reason = "no pod was made"
    while time.monotonic() < deadline:
        for pod in kube.get("pods", namespace, "-l", f"job-name={job}"):
            if pod["status"].get("phase") in {"Running", "Succeeded", "Failed"}:
                return str(pod["metadata"]["name"])
            reason = trouble(pod) or "starting"
        refused = creation_error(kube.get("events", namespace, f"--field-selector=involvedObject.name={job}"))
        if refused is not None:
            raise LocalError(f"job {namespace}/{job} may not start: {refused}")
        time.sleep(0.5)
    raise LocalError(f"job {namespace}/{job} did not start within {START_S} s: {reason}")


def _ended(kube: Kube, namespace: str, pod: str) -> int:
    """Return the exit status of a pod whose log has ended; the status may come a moment later."""
    while True:
        code = exit_code(kube.get(f"pod/{pod}", namespace)[0])
        if code is not None:
            return code
        time.sleep(0.2)
