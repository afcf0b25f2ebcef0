"""Finds out what a source contains, from the place where ingestion will read it: a Job of the ingestion image."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from cli.platform import jobs
from cli.platform.kube import Kube
from cli.sources.found import Discovery, parse_answer
from cli.sources.kinds import Kind, Source
from localstack.errors import LocalError

CRONJOB = "ingestion"
VARIABLE = "HEADWATER_SOURCE"


def secret_manifest(name: str, namespace: str, content: str) -> dict[str, Any]:
    """Return the Secret of one Job."""
    meta = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": "headwater-command"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"source": content}}


def job_manifest(cronjob: Mapping[str, Any], name: str, kind: Kind) -> dict[str, Any]:
    """Return the Job: of the platform's own variables it gets those that the kind of source needs, as a rule none."""
    job = jobs.from_cronjob(cronjob, name, [kind.looks], [])
    container = job["spec"]["template"]["spec"]["containers"][0]
    kept = [each for each in container.get("env", ()) if kind.keeps and each["name"].startswith(kind.keeps)]
    reference = {"secretKeyRef": {"name": name, "key": "source"}}
    container["env"] = [*kept, {"name": VARIABLE, "valueFrom": reference}]
    return job


def parse(code: int, log: str) -> Discovery:
    """Return what there is from the Job's log. Raises LocalError with what it says is wrong."""
    for line in reversed(log.splitlines()):
        if line.startswith("{"):
            answer = json.loads(line)
            if "error" in answer:
                raise LocalError(answer["error"])
            return parse_answer(answer)
    last = log.strip().splitlines()[-1:] or [f"exit status {code}"]
    raise LocalError(
        f"the ingestion image could not look at the source: {last[0]}; is it older than this checkout? make up"
    )


def discover(kube: Kube, kind: Kind, source: Source) -> Discovery:
    """Return the tables of a source. Secret and Job are gone afterwards, however it ends."""
    namespace = kube.platform.namespace
    template = kube.get(f"cronjob/{CRONJOB}", namespace)[0]
    name = f"source-discovery-{secrets.token_hex(3)}"
    kube.output("create", "-f", "-", input=json.dumps(secret_manifest(name, namespace, json.dumps(source.request))))
    try:
        return parse(*jobs.capture(kube, job_manifest(template, name, kind)))
    finally:
        kube.output("delete", "secret", "-n", namespace, name, "--ignore-not-found", "--wait=false")
