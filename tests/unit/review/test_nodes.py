"""Nodes are worked out from pods: they hold them, cost what they cost, and say what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from cli.main import main
from components.settings import placement
from components.settings.nodes import NOTHING, Instance, Room
from components.settings.packing import Pods, Pool, pack
from review import nodes, program
from review.cost import nodes as priced
from review.cost import report, tables
from review.cost.estimate import estimate
from review.resources import Resource
from tests.unit.review.conftest import ROOT, registered

SPOT = Pool("spot", {"c": frozenset({"spot"})}, frozenset({"c"}), ("arm64",), 16, "100Gi", spot=True)
STEADY = Pool("steady", {"c": frozenset({"steady"})}, frozenset(), ("arm64",), 16, "100Gi", spot=False)
ON_AWS = ["staging", "prod"]


def cores(instance: Instance) -> float:
    return instance.cores + instance.gib / 16


def pods(name: str, cpu: int, memory: int = 1024, disk: int = 0, **more: Any) -> Pods:
    return Pods(name, Room(cpu, memory, disk), 1, 1, **more)


def layout(*given: Pods, agents: Room = NOTHING) -> list[tuple[str, str, list[str]]]:
    found = pack(given, [STEADY, SPOT], agents, cores)
    assert found.waiting == ()
    return [(each.pool.name, each.instance.name, each.pods) for each in found.nodes]


def test_small_pods_share_a_node_of_the_cheapest_type() -> None:
    """A node a pod: three times the bill, and nothing of it so."""
    assert layout(pods("a", 500), pods("b", 400), pods("c", 300)) == [("steady", "m7g.large", ["a", "b", "c"])]
    assert layout(pods("a", 500, 9000)) == [("steady", "r7g.large", ["a"])]


def test_what_is_kept_apart_gets_a_node_each() -> None:
    """Eight workers priced as if they sat on one node, which Karpenter does not do."""
    worker = pods("worker", 7000, 27 * 1024, apart=True)
    assert [each[1] for each in layout(worker, worker)] == ["m7g.2xlarge"] * 2


def test_disks_decide_like_cores_and_memory() -> None:
    """Two pods that spill 45 GiB on a node whose disk leaves 89."""
    spilling = pods("spilling", 100, 100, 45 * 1024)
    assert len(layout(spilling, spilling)) == 2


def test_agents_of_each_node_take_their_part() -> None:
    """A pod that fits a node by itself, and not beside what every node runs."""
    assert layout(pods("a", 3800))[0][1] == "c7g.xlarge"
    assert layout(pods("a", 3800), agents=Room(300, 153, 0))[0][1] == "c7g.2xlarge"


def test_who_tolerates_a_taint_goes_where_it_is_sent() -> None:
    """Work that may be cut off priced on demand, or a database on spot."""
    sent = pods("job", 100, selector={"c": "spot"}, taints=frozenset({"c"}))
    assert {each[0]: each[2] for each in layout(sent, pods("server", 100))} == {"steady": ["server"], "spot": ["job"]}


def test_a_pools_ceiling_leaves_pods_without_a_node() -> None:
    """An estimate of nodes that the pool never starts."""
    worker = pods("worker", 7000, apart=True)
    found = pack([worker, worker, worker], [STEADY, SPOT], NOTHING, cores)
    assert (len(found.nodes), found.waiting) == (2, ("worker",))


def test_what_is_kept_apart_shares_a_node_before_it_waits() -> None:
    """A second web server refused for want of a second node, on which Kubernetes does not insist (ScheduleAnyway)."""
    small = replace(STEADY, cpu=2)
    server = pods("server", 500, apart=True)
    found = pack([server, server], [small], NOTHING, cores)
    assert [each.pods for each in found.nodes] == [["server", "server"]]


@pytest.mark.parametrize("stack", ON_AWS)
def test_the_nodes_of_a_stack_hold_its_pods(stack: str) -> None:
    """Prod was estimated on nodes of 4 cores, and its coordinator asks for 4 and its workers for 8."""
    table = tables.prices("eu-central-1")
    found = priced.planned(registered(stack), table)
    assert found is not None
    for each in (found.asleep, found.least, found.most):
        assert each.waiting == ()
        for node in each.nodes:
            assert node.instance.allocatable(node.pool.disk).holds(node.used), node.text()
    counted = [name for node in found.least.nodes for name in node.pods]
    workers = json.loads(program.configuration(stack)["headwater:trino"])["workers"]
    assert counted.count("trino-worker") == workers["minimum"]
    most = [name for node in found.most.nodes for name in node.pods]
    assert most.count("trino-worker") == workers["maximum"]
    assert most.count("dagster run") == placement.RUNS
    ingestion = json.loads(program.configuration(stack).get("headwater:ingestion", "{}"))
    assert most.count("ingestion") == ingestion.get("loads_at_once", 3) * (1 + ingestion.get("reader_pods", 1))


@pytest.mark.parametrize("stack", ON_AWS)
def test_a_stack_stays_within_its_budget(stack: str) -> None:
    """The mail about the forecast comes each month, and is read by nobody from the second on."""
    config = program.configuration(stack)
    table, usage = tables.prices("eu-central-1"), report.assumptions(stack, config)
    found = estimate(registered(stack), table, usage)
    assert found.total < json.loads(config["headwater:aws"])["budget"]["monthly_usd"]
    assert "at the most" in report.screen(stack, found, table, usage)


def test_runs_at_once_are_those_that_dagster_starts() -> None:
    """A node too few for the pods that the image's own configuration lets run together."""
    instance = yaml.safe_load((ROOT / "pipeline_code/orchestration/home/dagster.yaml").read_text())
    assert instance["concurrency"]["runs"]["max_concurrent_runs"] == placement.RUNS


def test_nodes_are_paid_by_the_hour_at_the_least_and_at_the_most() -> None:
    """The maximum counted around the clock, or never."""
    table, usage = tables.prices("us-east-1"), replace(tables.usage("prod"), busy=0.25, awake=1.0)
    found = priced.planned(registered("prod"), table)
    assert found is not None
    total = estimate(registered("prod"), table, usage)
    on_nodes = sum(line.usd for line in total.lines if line.resource.kind == "Cluster" and line.what != "control plane")
    least, most = (priced.month(each, table, usage) for each in (found.least, found.most))
    assert on_nodes == pytest.approx(0.75 * least + 0.25 * most)
    assert least < on_nodes < most


def scaled(stack: str, most: int) -> list[Resource]:
    """Return a stack's resources with another maximum of workers."""
    return [
        replace(each, inputs={**each.inputs, "spec": {**each.inputs["spec"], "maxReplicas": most}})
        if each.kind == "HorizontalPodAutoscaler"
        else each
        for each in registered(stack)
    ]


def test_pods_without_a_node_end_the_estimate_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A month that looks cheap, because forty workers are not in it, told with exit status 0."""
    resources = scaled("prod", 40)
    monkeypatch.setattr(program, "run", lambda _stack: resources)
    assert main(["cost", "--stack=prod"]) == 1
    said = capsys.readouterr()
    assert "no node holds them: 8 trino-worker" in said.err
    assert "aws.cluster.nodes" in said.err
    monkeypatch.setattr(program, "run", lambda _stack: registered("prod"))
    assert main(["cost", "--stack=prod"]) == 0
    assert capsys.readouterr().err == ""


def test_a_sum_without_its_database_is_not_the_whole_month(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`instance_class: db.r7g.large`, for which there is no price: "357.11 in all", with exit status 0."""
    resources = [
        replace(each, inputs={**each.inputs, "instanceClass": "db.r7g.large"}) if each.kind == "Instance" else each
        for each in registered("prod")
    ]
    monkeypatch.setattr(program, "run", lambda _stack: resources)
    assert main(["cost", "--stack=prod"]) == 1
    said = capsys.readouterr()
    assert "in all" not in said.out
    assert "without what has no price" in said.out
    assert "rds.db.r7g.large" in said.err
    assert "review/cost/prices.yaml" in said.err


def test_nodes_that_stay_half_empty_are_said_not_to_be_in_the_sum() -> None:
    """Staging's nights told as one small node, while each of the day's nodes stays on which a pod is left."""
    table, usage = tables.prices("us-east-1"), tables.usage("staging")
    told = report.screen("staging", estimate(registered("staging"), table, usage), table, usage)
    (left_out,) = [line for line in told.splitlines() if line.startswith("Not in it:")]
    assert "nodes that a single pod keeps, also at night" in left_out


def test_pods_for_nodes_of_ones_own_are_named_and_not_refused() -> None:
    """Workers on nodes that somebody else makes: "no place", although they have one; or free of charge."""
    found = pack([pods("worker", 7000, selector={"mine": "yes"})], [STEADY, SPOT], NOTHING, cores)
    assert (found.waiting, found.elsewhere) == ((), ("worker",))
    table, usage = tables.prices("us-east-1"), tables.usage("prod")
    told = "\n".join(priced.screen(nodes.Plan(found, found, found), table, usage))
    assert "on nodes of your own, not priced: 1 worker" in told
