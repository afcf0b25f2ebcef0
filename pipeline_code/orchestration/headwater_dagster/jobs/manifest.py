"""The manifest of a Job made from a CronJob's template. Manifests are plain dictionaries in the API's own spelling."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]
MANAGED_BY = "app.kubernetes.io/managed-by"


def job_manifest(
    cron_job: Mapping[str, Any],
    *,
    name: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    labels: Mapping[str, str],
) -> Manifest:
    """Return a Job from the template of `cron_job`, the way `kubectl create job --from` makes it.

    The first container's arguments are replaced, `environment` and `labels` are added to what the template has; a
    variable that the template sets too takes the new value. A pod is tried once: Dagster decides about retries.
    The CronJob owns the Job, so that deleting it takes the Jobs along; as owner only, since it would complain about a
    Job that it controls and did not make.
    """
    metadata = cron_job["metadata"]
    template = copy.deepcopy(dict(cron_job["spec"]["jobTemplate"]))
    spec = template["spec"]
    spec["backoffLimit"] = 0
    spec.setdefault("ttlSecondsAfterFinished", 3600)
    pod = spec["template"]
    pod_metadata = pod.setdefault("metadata", {})
    pod_metadata["labels"] = {**pod_metadata.get("labels", {}), **labels}
    pod["spec"]["restartPolicy"] = "Never"
    container = pod["spec"]["containers"][0]
    container["args"] = list(arguments)
    kept = [variable for variable in container.get("env", []) if variable["name"] not in environment]
    container["env"] = kept + [{"name": key, "value": value} for key, value in environment.items()]
    template_metadata = template.get("metadata", {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            # Not pulumi, as in the template: a run that failed would count as a part of the platform, and not ready.
            "labels": {**template_metadata.get("labels", {}), MANAGED_BY: "dagster", **labels},
            "annotations": {
                **template_metadata.get("annotations", {}),
                "cronjob.kubernetes.io/instantiate": "manual",
            },
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            ],
        },
        "spec": spec,
    }
