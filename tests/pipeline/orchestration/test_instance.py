"""The instance file is only read in the cluster: what is wrong in it shows here first."""

import importlib
import json

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from dagster_k8s.launcher import K8sRunLauncher

from .conftest import IMAGE

HOME = IMAGE / "home"


def test_dagster_accepts_the_instance_file(monkeypatch):
    for name in ("HOST", "DATABASE", "USER", "PASSWORD"):
        monkeypatch.setenv(f"DAGSTER_PG_{name}", "x")
    monkeypatch.setenv("DAGSTER_PG_PORT", "5432")
    monkeypatch.setenv("HEADWATER_NAMESPACE", "headwater")
    config, _ = dagster_instance_config(str(HOME), "dagster.yaml")
    assert config["telemetry"] == {"enabled": False}


# As components/orchestration/runs.py renders it, which this environment can't import: tests/unit checks what is in it.
POD = {
    "container_config": {
        "security_context": {"read_only_root_filesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volume_mounts": [{"name": "tmp", "mount_path": "/tmp"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    },
    "pod_spec_config": {
        "security_context": {"run_as_user": 10001, "seccomp_profile": {"type": "RuntimeDefault"}},
        "enable_service_links": False,
        "termination_grace_period_seconds": 60,
        "volumes": [{"name": "tmp", "empty_dir": {"size_limit": "1Gi"}}],
    },
    "pod_template_spec_metadata": {"labels": {"app.kubernetes.io/component": "run"}},
    "job_metadata": {"labels": {"app.kubernetes.io/component": "run"}},
}


def configured(monkeypatch, pod):
    """The launcher that Dagster makes of the instance file, in a pod whose environment holds this pod of a run."""
    data = yaml.safe_load((HOME / "dagster.yaml").read_text())["run_launcher"]
    config = {**data["config"], "job_namespace": "headwater"}
    assert set(config) <= set(K8sRunLauncher.config_type())
    if pod is None:
        monkeypatch.delenv("HEADWATER_RUN_POD", raising=False)
    else:
        monkeypatch.setenv("HEADWATER_RUN_POD", pod)
    monkeypatch.setattr(
        "dagster_k8s.launcher.K8sRunLauncher.__init__", lambda self, **given: setattr(self, "given", given)
    )
    return getattr(importlib.import_module(data["module"]), data["class"]).from_config_value(None, config).given


def test_run_pods_are_what_the_program_renders(monkeypatch):
    """A pod of the image's own: to change its size or its rights one builds the image anew, for every stack alike."""
    given = configured(monkeypatch, json.dumps(POD))
    assert set(given) - {"inst_data"} <= set(K8sRunLauncher.config_type())
    assert given["env_config_maps"] == given["env_secrets"] == ["dagster-environment"]
    assert given["service_account_name"] == "dagster"
    # What Dagster makes of it: Kubernetes' own model knows every name, and the file's part about Jobs is there still.
    run = UserDefinedDagsterK8sConfig.from_dict(given["run_k8s_config"])
    assert run.container_config == POD["container_config"]
    assert run.pod_spec_config == POD["pod_spec_config"]
    assert run.job_spec_config == {"backoff_limit": 0, "ttl_seconds_after_finished": 86400}


@pytest.mark.parametrize("pod", [None, "", "1Gi", "{}", json.dumps({**POD, "pod_spec": {}})])
def test_runs_without_a_pod_are_refused(monkeypatch, pod):
    """A run pod without limits takes its node's memory, and the kernel picks who goes."""
    with pytest.raises(ValueError, match="HEADWATER_RUN_POD"):
        configured(monkeypatch, pod)


def asked_by_a_tag(monkeypatch, wanted):
    """What becomes of a run whose tag asks for a pod of its own, as the launcher decides it."""
    given = configured(monkeypatch, json.dumps(POD))
    run = K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(wanted))
    return run.validate_user_k8s_config_for_run(
        given["only_allow_user_defined_k8s_config_fields"], given["only_allow_user_defined_env_vars"]
    )


SECRET = {"secret_ref": {"name": "postgres-credentials"}}


@pytest.mark.parametrize(
    "wanted",
    [
        {"container_config": {"image": "127.0.0.1:5000/headwater/postgres"}},
        {"container_config": {"command": ["sh"]}},
        {"container_config": {"env_from": [SECRET]}},
        {"container_config": {"volume_mounts": [{"name": "x", "mount_path": "/x"}]}},
        {"container_config": {"security_context": {"privileged": True}}},
        {"pod_spec_config": {"service_account_name": "postgres"}},
        {"pod_spec_config": {"volumes": [{"name": "x", "secret": {"secret_name": "postgres-credentials"}}]}},
        {"pod_spec_config": {"init_containers": [{"name": "x", "image": "y"}]}},
        {"pod_spec_config": {"host_network": True}},
        {"pod_template_spec_metadata": {"labels": {"app.kubernetes.io/name": "minio"}}},
        {"job_spec_config": {"parallelism": 100}},
    ],
    ids=str,
)
def test_a_run_does_not_choose_its_pod(monkeypatch, wanted):
    """A run's tag that reads every Secret of the namespace, as any of its service accounts."""
    with pytest.raises(Exception, match="violated the allowed list"):
        asked_by_a_tag(monkeypatch, wanted)


def test_a_run_may_ask_for_memory_but_not_for_variables(monkeypatch):
    resources = {"limits": {"memory": "4Gi"}}
    assert asked_by_a_tag(
        monkeypatch, {"container_config": {"resources": resources}}
    ).run_k8s_config.container_config == {"resources": resources}
    with pytest.raises(Exception, match="violated the allowed list"):
        asked_by_a_tag(monkeypatch, {"container_config": {"env": [{"name": "LD_PRELOAD", "value": "/tmp/x"}]}})


def test_the_code_location_is_where_its_service_is():
    (server,) = yaml.safe_load((HOME / "workspace.yaml").read_text())["load_from"]
    assert server["grpc_server"]["host"] == "dagster-code"
    assert server["grpc_server"]["port"] == 4000
