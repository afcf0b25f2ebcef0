"""Ask a database what it has, from where ingestion will read it: a Job of the ingestion image."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from localstack import jobs
from localstack.kube import Kube
from localstack.reporting import LocalError
from localstack.sources.connection import Connection
from localstack.sources.files import Found, parse_tables

NAMESPACE, CRONJOB = "headwater", "ingestion"
COMMAND = "headwater-discover"
VARIABLE = "HEADWATER_SOURCE"


def request(source: Connection) -> str:
    """Return what the command reads, password included: it goes into a Secret, never into an argument."""
    names = ("name", "host", "port", "database", "user", "schema", "sslmode", "password")
    found = {name: getattr(source, name) for name in names}
    if source.authorities is not None:
        found["authorities"] = source.authorities.given if source.authorities.pem is None else source.authorities.pem
    return json.dumps(found)


def secret_manifest(name: str, content: str) -> dict[str, Any]:
    """Return the Secret of one Job."""
    meta = {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/managed-by": "headwater-command"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"source": content}}


def job_manifest(cronjob: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the Job: of the platform's own secrets it gets none."""
    job = jobs.from_cronjob(cronjob, name, [COMMAND], [])
    reference = {"secretKeyRef": {"name": name, "key": "source"}}
    job["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": VARIABLE, "valueFrom": reference}]
    return job


def parse(code: int, log: str) -> tuple[Found, ...]:
    """Return the tables from the Job's log. Raises LocalError with what it says is wrong."""
    for line in reversed(log.splitlines()):
        if line.startswith("{"):
            answer = json.loads(line)
            if "error" in answer:
                raise LocalError(answer["error"])
            return parse_tables(answer["tables"])
    last = log.strip().splitlines()[-1:] or [f"exit status {code}"]
    raise LocalError(
        f"the ingestion image could not look at the source: {last[0]}; is it older than this checkout? make up"
    )


def discover(kube: Kube, source: Connection) -> tuple[Found, ...]:
    """Return the tables of a source. Secret and Job are gone afterwards, however it ends."""
    template = kube.get(f"cronjob/{CRONJOB}", NAMESPACE)[0]
    name = f"source-discovery-{secrets.token_hex(3)}"
    kube.output("create", "-f", "-", input=json.dumps(secret_manifest(name, request(source))))
    try:
        return parse(*jobs.capture(kube, job_manifest(template, name)))
    finally:
        kube.output("delete", "secret", "-n", NAMESPACE, name, "--ignore-not-found", "--wait=false")
