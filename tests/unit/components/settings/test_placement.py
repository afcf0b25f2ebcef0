"""Pods that find no node are refused by the settings, as `pulumi up` reads them: no rule runs there."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest
import yaml

from components import settings
from components.settings.nodes import Instance, instances
from components.settings.packing import Pods
from components.settings.placement import pods
from review import nodes
from review.resources import Resource
from tests.unit.components.conftest import ROOT, plain, run_program, stack_config
from tests.unit.components.conftest import Resource as Registered
from tests.unit.components.settings.test_sizes import loaded

# Another choice for each role that has pods, and for each number of pods.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "staging": {},
    "prod": {},
    "staging in the cluster": {
        "storage": {"kind": "minio"}, "catalog": {"kind": "rest"}, "database": {"kind": "in-cluster"}, "trino": {},
        "dashboards": {}, "observability": {}, "ingestion": {"reader_pods": 0, "loads_at_once": 2},
    },
    "staging of its own": {
        "services": {"stripe": {"kind": "none"}, "salesforce": {"kind": "none"}},
        "catalog": {"kind": "rest", "uri": "https://catalog.example.com"},
        "trino": {"workers": {"minimum": 1, "maximum": 3, "tolerations": ["mine=yes:NoSchedule", "b"]}},
        "dashboards": {"servers": 3, "workers": 8, "cache": {"kind": "in_cluster"}},
    },
    "staging elsewhere": {"trino": {"workers": {"minimum": 1, "maximum": 3, "node_selector": {"mine": "yes"}}}},
}  # fmt: skip


def told(each: Pods) -> tuple[Any, ...]:
    return each.name, each.room, each.most, dict(each.selector), each.taints, each.apart


@pytest.mark.parametrize("case", CHANGES)
def test_the_settings_know_every_pod_that_the_program_makes(case: str) -> None:
    """A workload that is new, for which the settings hold a pool to be large enough: `pulumi up` waits for ever."""
    stack = case.partition(" ")[0]
    config = stack_config(stack) | {f"headwater:{name}": json.dumps(each) for name, each in CHANGES[case].items()}
    registered: list[Registered] = run_program(config, stack)[0]
    made = nodes.pods([Resource(each.type, each.name, plain(each.inputs)) for each in registered])
    stack_settings = loaded(stack, **CHANGES[case])
    assert sorted(map(told, made), key=str) == sorted((told(each) for _, each in pods(stack_settings)), key=str)


@pytest.mark.parametrize(
    ("changed", "made", "path", "says"),
    [
        ({"trino": {"workers": {"maximum": 40}}}, {}, "aws.cluster.nodes.spot_cpu: 256", "8 trino-worker"),
        ({"ingestion": {"reader_pods": 64}}, {"spot_cpu": 64}, "aws.cluster.nodes.spot_cpu: 64", "195 ingestion"),
        ({"ingestion": {"loads_at_once": 64}}, {"spot_cpu": 64}, "aws.cluster.nodes.spot_cpu: 64", "256 ingestion"),
        ({"dashboards": {"servers": 16}}, {"on_demand_cpu": 10}, "aws.cluster.nodes.on_demand_cpu: 10", "superset"),
        # Too large for each node, which is said of that pod alone.
        ({"sizes": {"dagster_code": {"memory": "600Gi", "memory_limit": "600Gi"}}}, {}, "sizes.dagster_code", "600.0"),
    ],
)
def test_pods_that_the_pools_do_not_hold_together_are_refused(
    changed: dict[str, dict[str, Any]], made: dict[str, int], path: str, says: str
) -> None:
    """Workers that the autoscaler asks for and that stay Pending for ever, for the pool's ceiling is reached."""
    config = {key: json.loads(value) for key, value in stack_config("prod").items()}
    merged = {name: merge(config.get(f"headwater:{name}", {}), each) for name, each in changed.items()}
    merged["aws"] = merge(config["headwater:aws"], {"cluster": {"nodes": made}})
    with pytest.raises(pulumi.RunError) as raised:
        loaded("prod", **merged)
    (line,) = str(raised.value).splitlines()[1:]
    assert line.startswith(f"  headwater:{path}")
    assert says in line


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return old | {key: merge(old.get(key, {}), each) if isinstance(each, dict) else each for key, each in new.items()}


def test_pods_for_nodes_of_ones_own_are_not_held_against_ours() -> None:
    """A hundred workers on nodes of a machine room, refused for want of cores on spot."""
    own = {"minimum": 1, "maximum": 100, "node_selector": {"mine": "yes"}}
    assert loaded("staging", trino={"workers": own}).trino.workers.maximum == 100


SPOT_TAINT = "headwater/capacity"


@pytest.mark.parametrize(
    ("selector", "tolerations"),
    [
        # What every node of Auto Mode has tells nobody's nodes from ours, and ours have another taint.
        ({"karpenter.sh/capacity-type": "spot"}, ["spot=true:NoSchedule"]),
        ({"headwater/capacity": "spot"}, []),
        ({"headwater/capacity": "spot"}, [f"{SPOT_TAINT}=on-demand:NoSchedule"]),
        ({"headwater/capacity": "spot"}, [f"{SPOT_TAINT}:NoExecute"]),
        ({"headwater/capacity": "gpu"}, [SPOT_TAINT]),
        ({"topology.kubernetes.io/zone": "us-east-1a"}, []),
        ({"kubernetes.io/arch": "s390x"}, []),
        ({"kubernetes.io/os": "windows"}, []),
        ({"eks.amazonaws.com/instance-category": "g"}, []),
        ({"karpenter.sh/nodepool": "headwater-spot"}, []),
    ],
)
def test_workers_that_no_node_takes_are_refused(selector: dict[str, str], tolerations: list[str]) -> None:
    """Workers that stay Pending for ever, and that `make cost` has on nodes of somebody's own."""
    workers = {"minimum": 1, "maximum": 2, "node_selector": selector, "tolerations": tolerations}
    with pytest.raises(pulumi.RunError) as raised:
        loaded("staging", trino={"workers": workers})
    (line,) = str(raised.value).splitlines()[1:]
    assert line.startswith(f"  headwater:trino.workers.node_selector: {selector!r} is not allowed. trino-worker finds")
    assert "headwater/capacity=spot:NoSchedule" in line


@pytest.mark.parametrize(
    ("selector", "tolerations"),
    [
        ({"headwater/capacity": "spot"}, [f"{SPOT_TAINT}=spot:NoSchedule"]),
        ({"karpenter.sh/capacity-type": "spot"}, [SPOT_TAINT]),
        ({"topology.kubernetes.io/zone": "eu-central-1b"}, []),
        ({"kubernetes.io/arch": "arm64"}, []),
        ({"eks.amazonaws.com/instance-size": "4xlarge"}, []),
        ({"karpenter.sh/nodepool": "headwater-on-demand"}, []),
        ({}, ["mine=yes:NoSchedule"]),
    ],
)
@pytest.mark.parametrize(("memory", "holds"), [("8Gi", True), ("900Gi", False)])
def test_workers_that_a_pool_takes_must_fit_in_it(
    selector: dict[str, str], tolerations: list[str], memory: str, holds: bool
) -> None:
    """A worker of 900 GiB in one zone, accepted because it selects its nodes."""
    workers = {"minimum": 1, "maximum": 2, "memory": memory, "node_selector": selector, "tolerations": tolerations}
    if holds:
        assert loaded("staging", trino={"workers": workers}).trino.workers.memory == memory
    else:
        with pytest.raises(pulumi.RunError, match=r"headwater:trino\.workers: .* fits on no node of pool"):
            loaded("staging", trino={"workers": workers})


@pytest.mark.parametrize(
    "selector",
    [
        {"mine": "yes"},
        {"mine": "yes", "karpenter.sh/capacity-type": "spot"},
        {"karpenter.sh/nodepool": "queries"},
        {"eks.amazonaws.com/nodegroup": "queries"},
        {"eks.amazonaws.com/compute-type": "hybrid"},
    ],
)
def test_nodes_of_ones_own_are_told_by_a_label_that_ours_have_not(selector: dict[str, str]) -> None:
    """Workers of 900 GiB on nodes that somebody made for them, refused."""
    own = {"minimum": 1, "maximum": 100, "memory": "900Gi", "node_selector": selector, "tolerations": ["spot=true"]}
    assert loaded("staging", trino={"workers": own}).trino.workers.maximum == 100


def test_the_examples_of_the_page_find_nodes() -> None:
    """Somebody copies the page's example, and each worker stays Pending."""
    page = (ROOT / "docs" / "trino.md").read_text()
    examples = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(headwater:trino:.*?)```", page, re.DOTALL)]
    examples = [each["headwater:trino"] for each in examples if "workers" in each["headwater:trino"]]
    assert len(examples) == 2
    for each in examples:
        assert loaded("prod", trino=each).trino.workers.maximum == 8


def test_workers_of_one_architecture_share_no_node_of_the_other() -> None:
    """Workers for arm64 whose nodes are counted as amd64's, because those cost less or are there already."""
    workers = {"minimum": 1, "maximum": 2, "node_selector": {"kubernetes.io/arch": "amd64"}}
    config = stack_config("staging") | {"headwater:trino": json.dumps({"workers": workers})}
    registered = run_program(config, "staging")[0]
    planned = nodes.plan([Resource(each.type, each.name, plain(each.inputs)) for each in registered], cheap_arm)
    assert planned is not None
    families = {each.instance.family for each in planned.most.nodes for name in each.pods if name == "trino-worker"}
    assert families <= {"c7i", "m7i", "r7i"}
    assert families
    assert planned.most.waiting == planned.most.elsewhere == ()


def cheap_arm(instance: Instance) -> float:
    return instance.cores * (0.5 if instance.family.endswith("g") else 1)


def test_a_stack_without_pools_has_no_ceiling() -> None:
    """One machine's stack refused because its pods would be too many for a pool that it has not got."""
    assert loaded("dev", ingestion={"reader_pods": 64}).ingestion.reader_pods == 64
    assert isinstance(settings.parse({"ingestion": {"reader_pods": 64}}), settings.Settings)
    assert instances(["arm64"], 2)[0].name == "c7g.large"
