"""A program's registered Kubernetes resources in the running cluster, made in the order in which Pulumi makes them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.platform.jobs import exit_code, from_cronjob
from cli.platform.kube import Kube
from cli.platform.status import parse_workload, trouble
from tests.unit.components.conftest import Resource, plain

# What Pulumi waits for before it goes on with what depends on it.
AWAITED = ("Deployment", "StatefulSet", "Job")
POLL_S = 1.0


def manifest(resource: Resource, images: Mapping[str, str]) -> dict[str, Any]:
    """Return the object that the program registered, with the images of their repositories: its digests are made up.

    It asks for no share of the CPU: a machine of two cores has promised both to the platform that runs there.
    """
    return dict(_real(plain(resource.inputs), images))


def _real(value: Any, images: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        found = {key: _real(item, images) for key, item in value.items()}
        if isinstance(found.get("image"), str):
            found["image"] = images[repository(found["image"])]
        if isinstance(found.get("requests"), dict) and "cpu" in found["requests"]:
            found["requests"]["cpu"] = "1m"
        return found
    if isinstance(value, list):
        return [_real(item, images) for item in value]
    # Numbers travel to the mocks as floating point; Kubernetes takes no 8080.0 for a port.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def repository(image: str) -> str:
    """Return an image's name without registry, tag and digest."""
    return image.split("@", maxsplit=1)[0].rsplit("/", 1)[-1].split(":", maxsplit=1)[0]


def running_images(kube: Kube) -> dict[str, str]:
    """Return the images of the running platform, by repository."""
    found: dict[str, str] = {}
    for namespace in kube.platform.namespaces:
        for each in kube.get("deployments,statefulsets,cronjobs", namespace):
            spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
            images = [container["image"] for container in spec["template"]["spec"]["containers"]]
            found |= {repository(image): image for image in images}
    return found


@dataclass(frozen=True)
class Applied:
    """Namespaces of a test's own in the cluster. They must not be there before; `remove` takes all of it away."""

    kube: Kube
    namespaces: tuple[str, ...]

    def make(self, resources: Sequence[Resource], images: Mapping[str, str], timeout_s: float) -> None:
        """Make the resources, each once everything is ready that it depends on; fail with what does not get ready."""
        waiting = {each.urn: each for each in resources}
        pending: dict[str, Resource] = {}
        deadline = time.monotonic() + timeout_s
        while waiting or pending:
            ready = [each for each in waiting.values() if not each.after & (waiting.keys() | pending.keys())]
            self._create(manifest(each, images) for each in ready)
            for each in ready:
                del waiting[each.urn]
            pending |= {each.urn: each for each in ready if each.kind in AWAITED}
            if ready and not pending:
                continue
            states = self._states()
            pending = {urn: each for urn, each in pending.items() if not states[_name(each)].healthy}
            if not pending or ready:
                continue
            late = "; ".join(f"{_name(each)}: {states[_name(each)].state}" for each in pending.values())
            assert time.monotonic() < deadline, f"not ready after {timeout_s:.0f} s: {late}"
            time.sleep(POLL_S)

    def _create(self, objects: Iterable[Mapping[str, Any]]) -> None:
        items = list(objects)
        if items:
            listed = {"apiVersion": "v1", "kind": "List", "items": items}
            self.kube.output("create", "-f", "-", input=json.dumps(listed))

    def _states(self) -> dict[tuple[str, str, str], Any]:
        kinds = "deployments,statefulsets,jobs,pods"
        objects = [item for namespace in self.namespaces for item in self.kube.get(kinds, namespace)]
        pods = [item for item in objects if item["kind"] == "Pod"]
        rows = [parse_workload(item, pods, time.time()) for item in objects if item["kind"] != "Pod"]
        return {(row.namespace, row.kind, row.name): row for row in rows}

    def run(self, cronjob: Mapping[str, Any], name: str, command: Sequence[str], timeout_s: float) -> str:
        """Run a command in a Job of the CronJob's template; return its output. Fails with it unless it exits with 0."""
        namespace = cronjob["metadata"]["namespace"]
        self._create([from_cronjob(cronjob, name, command[:1], command[1:])])
        deadline = time.monotonic() + timeout_s
        while True:
            pods = self.kube.get("pods", namespace, "-l", f"job-name={name}")
            code = exit_code(pods[0]) if pods else None
            if code is not None:
                break
            state = trouble(pods[0]) if pods else "no pod was made"
            assert time.monotonic() < deadline, f"job {name}: no end after {timeout_s:.0f} s: {state}"
            time.sleep(POLL_S)
        log = self.kube.output("logs", "-n", namespace, f"job/{name}")
        assert code == 0, f"job {name} exited with {code}:\n{log[-6000:]}"
        return log

    def remove(self) -> None:
        """Delete the namespaces with everything in them, and wait until they are gone."""
        self.kube.output("delete", "namespace", *self.namespaces, "--ignore-not-found", "--wait", "--timeout=180s")


def _name(resource: Resource) -> tuple[str, str, str]:
    return plain(resource.inputs)["metadata"]["namespace"], resource.kind, resource.known_as


def as_cronjob(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template for Jobs in the image, environment and account of a server, which `Applied.run` takes."""
    template = json.loads(json.dumps(deployment["spec"]["template"]))
    for server in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
        template["spec"]["containers"][0].pop(server, None)
    return {"metadata": deployment["metadata"], "spec": {"jobTemplate": {"spec": {"template": template}}}}
