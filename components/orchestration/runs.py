"""The pod of one Dagster run. Dagster's launcher makes it, from the same functions as every other pod."""

from __future__ import annotations

from typing import Any

from components.connections import Database, QueryEngine
from components.kubernetes import pods
from components.kubernetes.labels import MANAGED_BY, Identity
from components.kubernetes.pods import Container
from components.kubernetes.trust import authority_mounts, certificate_mounts
from components.settings import Size

# What the launcher itself knows of a container and of a pod: image, command, variables, account, restarts.
CONTAINER = ("security_context", "volume_mounts", "resources")
POD = ("security_context", "termination_grace_period_seconds", "enable_service_links", "volumes")
# dbt is told to stop, and Trino to forget its query.
GRACE_SECONDS = 60
SCRATCH = "1Gi"


def run_pod(identity: Identity, size: Size, engine: QueryEngine, database: Database) -> dict[str, Any]:
    """Return what dagster_k8s calls `run_k8s_config`, as far as the program decides it."""
    mounts = [pods.tmp(SCRATCH), *certificate_mounts(engine), *authority_mounts(database)]
    template = pods.plain(
        pods.pod_template(
            identity,
            Container(name="run", image="", size=size, mounts=mounts),
            service_account="",
            grace_seconds=GRACE_SECONDS,
        )
    )
    spec = template["spec"]
    (container,) = spec["containers"]
    # `make status` shows what Pulumi made; a run is not of that.
    labels = {"labels": template["metadata"]["labels"] | {MANAGED_BY: "dagster"}}
    return {
        "container_config": {name: container[name] for name in CONTAINER},
        "pod_spec_config": {name: spec[name] for name in POD},
        "pod_template_spec_metadata": labels,
        "job_metadata": labels,
    }
