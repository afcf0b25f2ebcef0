"""Superset's cache and workers: off where nobody asked, closed to everybody but Superset where somebody did."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest

from components import settings
from components.dashboards import cache
from components.dashboards.superset import QUERY_SECONDS
from tests.unit.components import test_program
from tests.unit.components.conftest import ROOT, Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.test_aws_program import EVERYWHERE, before, inputs

EVERYTHING = {"cache": {"kind": "in_cluster"}, "workers": 3, "servers": 2}


@pytest.fixture(scope="module")
def cached() -> list[Resource]:
    """The dev stack with cache and workers."""
    config = {**stack_config(), "headwater:images": '{"builder": "buildah"}'}
    config["headwater:sizes"] = '{"cache": {"memory_limit": "512Mi"}}'
    return run_program({**config, "headwater:dashboards": json.dumps(EVERYTHING)})[0]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"workers": 1}, "workers: 1 is not allowed. they are told of queries by a cache"),
        ({"servers": 2}, "servers: 2 is not allowed. they would know nothing of one another"),
        ({"cache": {"kind": "redis"}}, "'in_cluster'"),
    ],
)
def test_half_a_cache_is_refused(raw: dict[str, Any], says: str) -> None:
    """Queries in a queue that nobody reads; or a login on one server that the other does not count."""
    with pytest.raises(pulumi.RunError, match="headwater:dashboards") as raised:
        settings.parse({"dashboards": raw})
    assert says in str(raised.value)


def test_one_machine_does_without(resources: list[Resource]) -> None:
    """Two more pods and an image on a laptop that shows one person one dashboard."""
    assert not [r for r in resources if "cache" in r.name or "worker" in r.name]
    environment = dict(test_program.containers(resources))["Deployment/superset/superset"]["env"]
    assert not [each for each in environment if each["name"].startswith("SUPERSET_CACHE")]


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_the_stacks_on_aws_have_it(stack: str) -> None:
    """Every reader of a dashboard asks Trino anew, and a long query takes a web server's thread."""
    deployments = inputs(aws_program(stack)[0], "Deployment")
    assert {"cache-deployment", "superset-worker-deployment"} <= set(deployments)


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
def test_what_holds_without_it_holds_with_it(cached: list[Resource], rule: Any) -> None:
    """The parts that only some stacks have would be the ones that nobody checks."""
    rule(cached)


def test_only_superset_reaches_the_cache(cached: list[Resource]) -> None:
    """Superset unpickles what is in it: whoever writes there runs code as Superset."""
    (rule,) = inputs(cached, "NetworkPolicy")["cache-ingress"]["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchExpressions"][0]["values"] == ["superset"]
    assert [each["port"] for each in rule["ports"]] == [cache.PORT]
    (port,) = inputs(cached, "Service")["cache-service"]["spec"]["ports"]
    assert "nodePort" not in port


def test_server_and_workers_share_one_password(cached: list[Resource]) -> None:
    """Workers that the cache refuses, and queries that wait for them."""
    secrets = inputs(cached, "Secret")
    password = secrets["cache-credentials-secret"]["stringData"]["password"]
    assert secrets["superset-credentials-secret"]["stringData"]["cache-password"] == password
    containers = dict(test_program.containers(cached))
    for name in ("Deployment/superset/superset", "Deployment/superset-worker/worker", "Job/superset-init/init"):
        environment = {each["name"]: each for each in containers[name]["env"]}
        assert environment["SUPERSET_CACHE_HOST"]["value"] == "cache"
        assert environment["SUPERSET_CACHE_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "cache-password"
        assert environment["SUPERSET_WORKERS"]["value"] == "3"


def test_superset_waits_for_its_cache(cached: list[Resource]) -> None:
    """The first pages after an installation would be errors."""
    for name in ("superset-deployment", "superset-worker-deployment"):
        assert {"Deployment cache-deployment", "Service cache-service"} <= before(cached, name, "Deployment")


def test_a_worker_may_end_its_query_when_it_is_told_to_go(cached: list[Resource]) -> None:
    """Every roll-out fails the queries that run, after half a minute."""
    spec = inputs(cached, "Deployment")["superset-worker-deployment"]["spec"]["template"]["spec"]
    image = (ROOT / "pipeline_code" / "dashboards" / "shared_cache.py").read_text()
    (limit,) = re.findall(r"^QUERY_SECONDS = (\d+)$", image, re.M)
    assert spec["terminationGracePeriodSeconds"] == QUERY_SECONDS == int(limit)


def test_the_cache_leaves_room_for_itself(cached: list[Resource]) -> None:
    """A cache that fills its container is killed, with every answer in it."""
    (container,) = [plain(each) for name, each in test_program.containers(cached) if name == "Deployment/cache/cache"]
    (memory,) = [each["value"] for each in container["env"] if each["name"] == "CACHE_MEMORY"]
    assert container["resources"]["limits"]["memory"] == "512Mi"
    assert memory == "384mb"
