"""The launcher of runs: dagster_k8s's own, for pods that are as the program renders all its pods."""

import json
import os
from collections.abc import Mapping
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_k8s import K8sRunLauncher

VARIABLE = "HEADWATER_RUN_POD"
# Without one of these a run would have no limits, no confinement, or no place to write to.
PARTS = frozenset({"container_config", "pod_spec_config", "pod_template_spec_metadata", "job_metadata"})


class RunLauncher(K8sRunLauncher):
    """Makes each run's pod as HEADWATER_RUN_POD says, JSON of what dagster_k8s calls `run_k8s_config`.

    dagster.yaml takes a value from the environment only where it is one text, and these are objects.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return the launcher. Raises ValueError where the variable is missing or lacks a part."""
        text = os.environ.get(VARIABLE, "")
        try:
            pod = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{VARIABLE}={text!r} is no JSON of a run's pod") from error
        if not isinstance(pod, dict) or pod.keys() != PARTS:
            raise ValueError(f"{VARIABLE}={text!r} has other parts than {', '.join(sorted(PARTS))}")
        pod = {**config_value.get("run_k8s_config", {}), **pod}
        return cls(inst_data=inst_data, **{**config_value, "run_k8s_config": pod})
