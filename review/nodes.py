"""Which nodes a stack's pods need: pods and node pools are read from its resources."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.settings.base import mebibytes, millicores
from components.settings.nodes import (
    AGENTS,
    ARCHITECTURE,
    CAPACITY,
    CAPACITY_TYPE,
    METRICS_SERVER,
    METRICS_SERVERS,
    NOTHING,
    Room,
    labels,
    tolerated,
)
from components.settings.packing import Layout, Pods, Pool, Price, pack
from components.settings.placement import RUNS
from review.resources import Resource

RUN_POD, ENVIRONMENT = "HEADWATER_RUN_POD", "dagster-environment"
# What the CronJob of the morning scales: name=number, blanks between.
WOKEN = "SLEEP_DEPLOYMENTS"
_TEMPLATES = {
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_HOST = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Plan:
    """The nodes while the stack sleeps, at the least and at the most."""

    asleep: Layout
    least: Layout
    most: Layout


def plan(resources: Sequence[Resource], price: Price) -> Plan | None:
    """Return the nodes that a stack's pods need; None where there are no node pools."""
    pools = list(_pools(resources))
    if not pools:
        return None
    observed = any(each.at("addonName") == "amazon-cloudwatch-observability" for each in resources)
    found, agents = list(pods(resources)), AGENTS if observed else NOTHING

    def packed(count: Callable[[Pods], int]) -> Layout:
        return pack([each for kind in found for each in [kind] * count(kind)], pools, agents, price)

    return Plan(packed(lambda kind: kind.asleep), packed(lambda kind: kind.least), packed(lambda kind: kind.most))


def _pools(resources: Sequence[Resource]) -> Iterator[Pool]:
    """Yield the node pools, those without taints first: what tolerates a taint goes where it is sent."""
    classes = [each for each in resources if each.kind == "NodeClass"]
    found = []
    for resource in (each for each in resources if each.kind == "NodePool"):
        spec = resource.at("spec", "template", "spec") or {}
        asked = {each["key"]: each["values"] for each in spec.get("requirements", [])}
        name, own = str(resource.at("metadata", "name")), resource.at("spec", "template", "metadata", "labels") or {}
        processors = tuple(asked.get(ARCHITECTURE, ("amd64",)))
        found.append(
            Pool(
                name=name,
                labels=labels(name, own.get(CAPACITY, ""), processors),
                taints=frozenset(each["key"] for each in spec.get("taints", [])),
                architectures=processors,
                cpu=int(resource.at("spec", "limits", "cpu") or 0),
                disk=str(classes[0].at("spec", "ephemeralStorage", "size")) if classes else "80Gi",
                spot=asked.get(CAPACITY_TYPE) == ["spot"],
            )
        )
    yield from sorted(found, key=lambda pool: len(pool.taints))


def pods(resources: Sequence[Resource]) -> Iterator[Pods]:
    """Yield the pods of each workload, and how many there are."""
    scaled = {
        each.at("spec", "scaleTargetRef", "name"): (each.at("spec", "minReplicas"), each.at("spec", "maxReplicas"))
        for each in resources
        if each.kind == "HorizontalPodAutoscaler"
    }
    woken = dict(_woken(resources))
    for resource in resources:
        path = _TEMPLATES.get(resource.kind)
        pod = None if path is None or not resource.type.startswith("kubernetes:") else resource.at(*path)
        if isinstance(pod, Mapping):
            yield _of_template(resource, pod, scaled, woken)
        elif resource.kind == "ConfigMap" and resource.at("metadata", "name") == ENVIRONMENT:
            run = json.loads(resource.at("data", RUN_POD) or "{}")
            yield Pods("dagster run", _room([run.get("container_config", {})]), 0, RUNS)
        elif resource.at("addonName") == "metrics-server":
            yield Pods("metrics-server", METRICS_SERVER, METRICS_SERVERS, METRICS_SERVERS, METRICS_SERVERS)


def _woken(resources: Sequence[Resource]) -> Iterator[tuple[str, int]]:
    """Yield how many pods each Deployment has by day on a stack that sleeps; the Deployments do not say it there."""
    for resource in (each for each in resources if each.kind == "CronJob"):
        listed = _environment(resource.at(*_TEMPLATES["CronJob"])).get(WOKEN) or ""
        for name, given, number in (each.partition("=") for each in str(listed).split()):
            if given:
                yield name, int(number)


def _of_template(
    resource: Resource, pod: Mapping[str, Any], scaled: Mapping[Any, tuple[Any, Any]], woken: Mapping[str, int]
) -> Pods:
    name, spread = str(resource.at("metadata", "name")), pod.get("topologySpreadConstraints") or []
    kind = Pods(
        name=name,
        room=_room(pod.get("containers", [])),
        least=0,
        # A Job of the program's own, at an update; or one that something starts.
        most=1,
        selector=pod.get("nodeSelector") or {},
        taints=tolerated((each["key"], each.get("value"), each.get("effect")) for each in pod.get("tolerations") or []),
        apart=any(each.get("topologyKey") == _HOST for each in spread),
    )
    if resource.kind == "Deployment":
        replicas = int(resource.at("spec", "replicas") or woken.get(name, 1))
        least, most = scaled.get(name, (replicas, replicas))
        return replace(kind, least=int(least), most=int(most))
    if resource.kind == "StatefulSet":
        return replace(kind, least=1, asleep=1)
    environment = _environment(pod)
    readers, loads = environment.get("HEADWATER_READER_PODS"), environment.get("HEADWATER_LOADS_AT_ONCE", "1")
    return kind if readers is None else replace(kind, most=int(loads) * (1 + int(readers)))


def _environment(pod: Mapping[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in pod["containers"][0].get("env") or []}


def _room(containers: Iterable[Mapping[str, Any]]) -> Room:
    total = NOTHING
    for container in containers:
        asked = (container.get("resources") or {}).get("requests") or {}
        total += Room(
            millicores(str(asked.get("cpu", "0"))),
            mebibytes(str(asked.get("memory", "0Mi"))),
            mebibytes(str(asked.get("ephemeral-storage", "0Mi"))),
        )
    return total
