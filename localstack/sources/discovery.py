"""Ask a source what it has, from where ingestion will read it: a Job of the ingestion image."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from localstack import jobs
from localstack.kube import Kube
from localstack.reporting import LocalError
from localstack.sources.found import Discovery, parse_answer
from localstack.sources.kinds import Kind, Source

NAMESPACE, CRONJOB = "headwater", "ingestion"
VARIABLE = "HEADWATER_SOURCE"


def secret_manifest(name: str, content: str) -> dict[str, Any]:
    """Return the Secret of one Job."""
    meta = {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/managed-by": "headwater-command"}}
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
    template = kube.get(f"cronjob/{CRONJOB}", NAMESPACE)[0]
    name = f"source-discovery-{secrets.token_hex(3)}"
    kube.output("create", "-f", "-", input=json.dumps(secret_manifest(name, json.dumps(source.request))))
    try:
        return parse(*jobs.capture(kube, job_manifest(template, name, kind)))
    finally:
        kube.output("delete", "secret", "-n", NAMESPACE, name, "--ignore-not-found", "--wait=false")
