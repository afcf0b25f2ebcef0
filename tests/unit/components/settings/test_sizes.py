"""What pods ask for: all of it is settings, none of it is more than a node has, and disks are asked for too."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components import settings
from components.orchestration.runs import SCRATCH
from components.settings import Size, Sizes
from components.settings.base import mebibytes
from components.settings.nodes import Instance
from tests.unit.components.conftest import Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.test_program import containers, pod_specs

# In the manifests these share a name: workload → setting.
INIT = {"shop-init": "postgres_init", "shop-seed": "shop_generator", "shop-live": "shop_generator", "wake": "sleep",
        "saas": "stand_ins"}  # fmt: skip


def loaded(stack: str, **changed: Any) -> settings.Settings:
    """Return a stack's settings with some below `headwater:` replaced."""
    raw: dict[str, Any] = {
        key: json.loads(value) if value[:1] in "[{" else value for key, value in stack_config(stack).items()
    }
    for name, value in changed.items():
        raw[f"headwater:{name}"] = value
    raw["headwater:images"] = {**raw["headwater:images"], "builder": "docker"}
    return settings.load(raw, {}, stack)


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_every_workloads_size_is_a_setting(stack: str) -> None:
    """A number in the code, which nobody can change without changing the program."""
    numbers = {name: f"{1000 + index}m" for index, name in enumerate(Sizes.model_fields)}
    config = stack_config(stack)
    own = json.loads(config.get("headwater:sizes", "{}"))
    config["headwater:sizes"] = json.dumps({name: {**own.get(name, {}), "cpu": cpu} for name, cpu in numbers.items()})
    nodes = {"on_demand_cpu": 64, "spot_cpu": 128}
    if stack != "dev":
        aws = json.loads(config["headwater:aws"])
        aws["cluster"]["nodes"] |= nodes
        config["headwater:aws"] = json.dumps(aws)
    images = json.loads(config["headwater:images"])
    if images["builder"] == "auto":
        config["headwater:images"] = json.dumps({**images, "builder": "buildah"})
    resources, _ = run_program(config, stack)
    found = {name.split("/")[1]: container["resources"]["requests"]["cpu"] for name, container in containers(resources)}
    for name, cpu in found.items():
        if name.startswith("trino"):
            continue
        assert cpu == numbers[INIT.get(name, name.replace("-", "_"))], name
    (environment,) = [each for each in resources if each.name == "dagster-environment-config"]
    run = json.loads(plain(environment.inputs)["data"]["HEADWATER_RUN_POD"])
    assert run["container_config"]["resources"]["requests"]["cpu"] == numbers["dagster_run"]


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_on_eks_every_pod_asks_for_the_disk_that_it_may_fill(stack: str) -> None:
    """Three workers that spill 40 GiB each on a node of 100: the kubelet evicts what the scheduler knew nothing of."""
    resources, _ = aws_program(stack)
    checked = 0
    for name, spec in pod_specs(resources):
        scratch = [each["emptyDir"]["sizeLimit"] for each in spec.get("volumes", []) if "emptyDir" in each]
        (container,) = spec["containers"]
        asked = container["resources"]
        assert asked["requests"]["ephemeral-storage"] == asked["limits"]["ephemeral-storage"], name
        logs = mebibytes(asked["requests"]["ephemeral-storage"]) - sum(map(mebibytes, scratch))
        assert logs >= 256, f"{name} has {logs} MiB of disk beside its scratch volumes"
        checked += 1
    assert checked > 8


def test_a_run_of_dagster_asks_for_its_disk_too() -> None:
    """The pods that Dagster makes are no resources: the one place where nobody would see the request missing."""
    sizes = loaded("prod").sizes
    assert sizes.dagster_run.disk == "1536Mi"
    assert mebibytes(str(sizes.dagster_run.disk)) >= mebibytes(SCRATCH) + 256


def test_one_value_of_a_size_keeps_the_others() -> None:
    """`sizes.superset.memory_limit` alone, and the pod loses its other defaults, or the setting is refused."""
    chosen = loaded("dev", sizes={"superset": {"memory_limit": "2Gi"}}).sizes
    assert chosen.superset == Size(cpu="100m", memory="512Mi", memory_limit="2Gi")
    assert chosen.catalog == Sizes().catalog


@pytest.mark.parametrize(
    ("sizes", "path", "said"),
    [
        ({"superset": {"memory": "2Gi"}}, "headwater:sizes.superset", "above memory_limit 1280Mi"),
        ({"superset": {"cpu": "2", "cpu_limit": "1500m"}}, "headwater:sizes.superset", "above cpu_limit 1500m"),
        ({"superset": {"ram": "2Gi"}}, "headwater:sizes.superset.ram", "memory_limit"),
        ({"supersets": {}}, "headwater:sizes.supersets", "superset_worker"),
        ({"cache": {"disk": "1 GB"}}, "headwater:sizes.cache.disk", "512Mi or 20Gi"),
    ],
)
def test_a_wrong_size_is_named(sizes: dict[str, Any], path: str, said: str) -> None:
    """A request above its limit, which the API refuses halfway through an update."""
    with pytest.raises(pulumi.RunError, match=path.replace(".", r"\.")) as raised:
        loaded("dev", sizes=sizes)
    assert said in str(raised.value)


def workers(**changed: Any) -> dict[str, Any]:
    return {**json.loads(stack_config("prod")["headwater:trino"])["workers"], **changed}


@pytest.mark.parametrize(
    ("changed", "path", "pool"),
    [
        ({"sizes": {"superset": {"memory": "600Gi", "memory_limit": "600Gi"}}}, "sizes.superset", "on-demand"),
        ({"sizes": {"dagster_run": {"cpu": "64", "cpu_limit": "64"}}}, "sizes.dagster_run", "on-demand"),
        ({"sizes": {"ingestion": {"disk": "95Gi"}}}, "sizes.ingestion", "spot"),
        ({"trino": {"workers": workers(cpu="64")}}, "trino.workers", "spot"),
        ({"trino": {"workers": workers(spill="90Gi")}}, "trino.workers", "spot"),
        ({"trino": {"memory": "512Gi", "workers": workers()}}, "trino", "on-demand"),
    ],
)
def test_a_pod_that_no_node_holds_is_refused(changed: dict[str, Any], path: str, pool: str) -> None:
    """`pulumi up` that waits a quarter of an hour for a pod that is Pending for ever."""
    with pytest.raises(pulumi.RunError, match=rf"headwater:{path.replace('.', chr(92) + '.')}: .*pool {pool}"):
        loaded("prod", **changed)


def test_a_pools_ceiling_counts_too() -> None:
    """A node larger than the pool's ceiling is never started, however well the pod would fit."""
    aws = json.loads(stack_config("prod")["headwater:aws"])
    aws["cluster"]["nodes"]["spot_cpu"] = 4
    with pytest.raises(pulumi.RunError, match=r"raise aws\.cluster\.nodes\.spot_cpu \(4\)"):
        loaded("prod", aws=aws)


@pytest.mark.parametrize(("size", "cpu"), [("large", 1930), ("xlarge", 3920), ("2xlarge", 7910), ("4xlarge", 15890)])
def test_a_node_leaves_what_nodes_of_eks_leave(size: str, cpu: int) -> None:
    """Capacity taken for allocatable: a pod of 8 cores on a node of 8 cores, and memory that the kubelet keeps."""
    room = Instance("m7g", size).allocatable("100Gi")
    assert room.cpu == cpu
    assert 0.70 < room.memory / (Instance("m7g", size).gib * 1024) < 0.93
    # A tenth is the kubelet's, and a GiB.
    assert room.disk == 89 * 1024


def test_dev_asks_for_no_disk(resources: list[Resource]) -> None:
    """One machine's disk is shared: requests that do not fit there would stop pods that run today."""
    for name, container in containers(resources):
        assert "ephemeral-storage" not in json.dumps(container["resources"]), name
