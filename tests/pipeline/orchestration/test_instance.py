"""The instance file is only read in the cluster: what is wrong in it shows here first."""

import yaml
from dagster._core.instance.config import dagster_instance_config
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


def test_run_pods_are_confined_and_get_their_environment():
    config = yaml.safe_load((HOME / "dagster.yaml").read_text())["run_launcher"]["config"]
    assert set(config) <= set(K8sRunLauncher.config_type())
    assert config["env_config_maps"] == config["env_secrets"] == ["dagster-environment"]
    assert config["service_account_name"] == "dagster"
    run = UserDefinedDagsterK8sConfig.from_dict(config["run_k8s_config"])
    container, pod = run.container_config, run.pod_spec_config
    assert container["security_context"]["read_only_root_filesystem"] is True
    assert container["security_context"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert pod["security_context"]["run_as_user"] == 10001
    paths = [mount["mount_path"] for mount in container["volume_mounts"]]
    assert paths == ["/tmp", "/etc/headwater/trino", "/etc/headwater/database"]


def test_the_code_location_is_where_its_service_is():
    (server,) = yaml.safe_load((HOME / "workspace.yaml").read_text())["load_from"]
    assert server["grpc_server"]["host"] == "dagster-code"
    assert server["grpc_server"]["port"] == 4000
