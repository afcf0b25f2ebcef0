"""What a pod's status says, in words a person can act on. Pods are plain dictionaries in the API's own spelling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Pod = Mapping[str, Any]

# States of a container that do not end by waiting; the first pull error (ErrImagePull) may.
STUCK = {
    "ImagePullBackOff": "the node cannot pull the image: check its name and the registry",
    "InvalidImageName": "the image's name is invalid",
    "ErrImageNeverPull": "the image is not on the node and may not be pulled",
    "CreateContainerConfigError": "a ConfigMap or Secret that the pod refers to is missing",
    "CreateContainerError": "the container runtime refuses to make the container",
    "RunContainerError": "the container runtime cannot start the command",
    "CrashLoopBackOff": "the container ends again and again",
}


@dataclass(frozen=True)
class Exit:
    """How a container ended: its exit code, Kubernetes' word for it (Error, OOMKilled, …), and its message."""

    code: int
    reason: str
    message: str

    @property
    def succeeded(self) -> bool:
        """Whether the container ended well."""
        return self.code == 0

    def __str__(self) -> str:
        """Return one line."""
        words = f"exit code {self.code} ({self.reason})"
        if self.reason == "OOMKilled":
            words += ": it needed more than its memory limit; raise headwater:sizes.ingestion.memory_limit"
        return f"{words}: {self.message}" if self.message else words


def has_started(pod: Pod) -> bool:
    """Whether the pod runs or ran, so that it has a log."""
    return pod.get("status", {}).get("phase") in {"Running", "Succeeded", "Failed"}


def stuck_reason(pod: Pod) -> str | None:
    """Return why a container of the pod will never start, None if it still may."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = container.get("state", {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in STUCK:
            said = waiting.get("message", "").strip()
            return f"container {container['name']} ({container.get('image', '')}): {reason}, {STUCK[reason]}. {said}"
    return None


def unschedulable_reason(pod: Pod) -> str | None:
    """Return why no node takes the pod, None if one did or the scheduler has not said."""
    for condition in pod.get("status", {}).get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')}"
    return None


def container_exit(pod: Pod) -> Exit | None:
    """Return how the first container ended, None while it runs. An evicted pod has no container that ended."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", [])[:1]:
        terminated = container.get("state", {}).get("terminated")
        if terminated is not None:
            reason, message = terminated.get("reason", "Error"), terminated.get("message", "")
            return Exit(terminated["exitCode"], reason, message.strip())
    if status.get("phase") == "Failed":
        return Exit(-1, status.get("reason", "Failed"), status.get("message", "").strip())
    return None


def failure_text(job: str, namespace: str, how: Exit, lines: Sequence[str]) -> str:
    """Return the error of a Job that failed, with the last lines of its log."""
    shown = "\n".join(lines) if lines else "(the log is empty)"
    return (
        f"Job {namespace}/{job} failed with {how}\n"
        f"Its last lines (all of them: kubectl logs -n {namespace} job/{job}):\n{shown}"
    )
