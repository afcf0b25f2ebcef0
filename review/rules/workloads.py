"""Rules about workloads: images by digest, limits, probes, no root, nothing open to the internet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from review.resources import Resource, known
from review.rules.base import Violation

_TEMPLATES = {
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "Pod": ("spec",),
}
_SERVERS = {"Deployment", "StatefulSet", "DaemonSet"}
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_INTERNAL = ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal")


def containers(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the definition of each container of a workload's pods; none for any other resource."""
    pod = _pod(resource)
    for group in () if pod is None else ("initContainers", "containers"):
        for number, container in enumerate(pod.get(group) or [] if pod is not None else []):
            if isinstance(container, Mapping):
                yield f"{_where(resource)}.{group}[{number}]", container


def images_by_digest(resource: Resource) -> Iterator[Violation]:
    """Every container's image is named by its digest: a tag can be moved."""
    for path, container in containers(resource):
        image = container.get("image")
        if image is None or (known(image) and not _DIGEST.search(str(image))):
            yield Violation(resource, f"{path}.image", image, "name it as registry/name@sha256:…")


def limited_and_probed(resource: Resource) -> Iterator[Violation]:
    """Every container has requests and a memory limit; every server says when it is ready and alive."""
    for path, container in containers(resource):
        resources = container.get("resources") or {}
        for part, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if (resources.get(part) or {}).get(name) is None:
                why = "the scheduler and the kernel must know what it takes"
                yield Violation(resource, f"{path}.resources.{part}.{name}", None, f"set it: {why}")
        if resource.kind in _SERVERS and ".containers[" in path:
            for probe in ("readinessProbe", "livenessProbe"):
                if container.get(probe) is None:
                    why = "a server that hangs must leave its Service and be started anew"
                    yield Violation(resource, f"{path}.{probe}", None, f"set it: {why}")


def no_root(resource: Resource) -> Iterator[Violation]:
    """No container runs as root, gains privileges or shares the node's namespaces."""
    pod = _pod(resource)
    if pod is None:
        return
    shared = pod.get("securityContext") or {}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name) is True:
            yield Violation(resource, f"{_where(resource)}.{name}", True, "leave it out")
    for path, container in containers(resource):
        own = container.get("securityContext") or {}
        if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
            found = own.get("runAsNonRoot", shared.get("runAsNonRoot"))
            yield Violation(resource, f"{path}.securityContext.runAsNonRoot", found, "set it to true")
        if own.get("runAsUser", shared.get("runAsUser")) == 0:
            yield Violation(resource, f"{path}.securityContext.runAsUser", 0, "set a number above 0")
        if own.get("allowPrivilegeEscalation") is not False:
            found = own.get("allowPrivilegeEscalation")
            yield Violation(resource, f"{path}.securityContext.allowPrivilegeEscalation", found, "set it to false")
        if own.get("privileged") is True:
            yield Violation(resource, f"{path}.securityContext.privileged", True, "leave it out")


def not_on_the_internet(resource: Resource) -> Iterator[Violation]:
    """No Service asks for a load balancer that the internet reaches."""
    if not resource.type.startswith("kubernetes:") or resource.kind != "Service":
        return
    annotations = resource.at("metadata", "annotations") or {}
    if resource.at("spec", "type") == "LoadBalancer" and annotations.get(_INTERNAL[0]) != _INTERNAL[1]:
        way = f"use ClusterIP behind an Ingress, or the annotation {_INTERNAL[0]}: {_INTERNAL[1]}"
        yield Violation(resource, "spec.type", "LoadBalancer", way)


def _where(resource: Resource) -> str:
    return ".".join(_TEMPLATES[resource.kind])


def _pod(resource: Resource) -> Mapping[str, Any] | None:
    if not resource.type.startswith("kubernetes:") or resource.kind not in _TEMPLATES:
        return None
    found = resource.at(*_TEMPLATES[resource.kind])
    return found if isinstance(found, Mapping) else None
