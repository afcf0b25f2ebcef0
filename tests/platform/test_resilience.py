"""The platform heals itself, a preview of a running stack is empty, and a stop loses nothing."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from .commands import ROOT, headwater
from .test_data import rows

WORKLOADS = [
    ("headwater", "statefulset/postgres"),
    ("headwater", "statefulset/minio"),
    ("headwater", "deployment/catalog"),
    ("headwater", "deployment/trino"),
    ("headwater", "deployment/dagster-code"),
    ("headwater", "deployment/dagster-webserver"),
    ("headwater", "deployment/dagster-daemon"),
    ("headwater", "deployment/superset"),
    ("petco", "statefulset/shop"),
]


def pulumi_changes(environment: dict[str, str]) -> dict[str, int]:
    """Counts by operation of `pulumi preview` on stack dev, without `same`."""
    done = subprocess.run(
        ["pulumi", "preview", "--stack", "dev", "--json", "--non-interactive"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    summary: dict[str, int] = json.loads(done.stdout)["changeSummary"]
    return {operation: count for operation, count in summary.items() if operation != "same"}


def test_preview_of_the_running_stack_is_empty(environment: dict[str, str]) -> None:
    """A resource that differs from itself: every pull request would show changes nobody made."""
    assert pulumi_changes(environment) == {}


@pytest.mark.parametrize(("namespace", "workload"), WORKLOADS)
def test_a_killed_pod_comes_back(kubectl: Callable[..., Any], trino: Any, namespace: str, workload: str) -> None:
    """State outside a volume, or a probe that never turns green again: the platform would need a person."""
    question = "select count(*) from marts.fct_orders"
    before = rows(trino, question)
    selector = kubectl("get", workload, "-n", namespace)["spec"]["selector"]["matchLabels"]
    labels = ",".join(f"{key}={value}" for key, value in selector.items())

    def pods() -> dict[str, bool]:
        """Every pod of the workload, and whether it is ready."""
        return {
            pod["metadata"]["uid"]: any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in pod["status"].get("conditions", [])
            )
            for pod in kubectl("get", "pods", "-n", namespace, "-l", labels)["items"]
        }

    killed = pods()
    kubectl("delete", "pods", "-n", namespace, "-l", labels, "--grace-period=0", "--force", output="")

    def others_are_ready() -> None:
        # Asked of the pods: the workload's own status still counts the killed one for a moment.
        now = pods()
        assert now, f"{workload} has no pod"
        assert not killed.keys() & now.keys(), f"{workload}: the pod that was killed is still there"
        assert all(now.values()), f"{workload}: the new pod is not ready"

    wait_for(others_are_ready, 240)
    assert wait_for(lambda: rows(trino, question)) == before


def wait_for(question: Callable[[], Any], seconds: int = 180) -> Any:
    """The question's first answer that raises nothing; its last error after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            return question()
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(2)


def test_down_and_up_lose_nothing(shop: Any, trino: Any) -> None:
    """Data on a container's own file system: `make down` would be a reset."""
    counts = "select count(*), sum(net_revenue) from marts.fct_orders"
    snapshots = 'select count(*) from raw."orders$snapshots"'
    before = rows(trino, counts), rows(trino, snapshots)
    source = rows(shop, "select count(*), max(updated_at) from shop.orders")
    shop.close()
    headwater("down")
    headwater("up")
    assert (rows(trino, counts), rows(trino, snapshots)) == before
    shop.reconnect()
    assert rows(shop, "select count(*), max(updated_at) from shop.orders") == source


def test_up_on_a_running_platform_changes_nothing(kubectl: Callable[..., Any]) -> None:
    """A second `make up` that restarts or recreates anything: people would not dare to run it."""

    def generations() -> dict[str, Any]:
        return {
            f"{item['kind']}/{item['metadata']['name']}": (item["metadata"]["uid"], item["metadata"].get("generation"))
            for kinds in ("deployments,statefulsets,jobs,configmaps,secrets,services",)
            for item in kubectl("get", kinds, "-n", "headwater")["items"]
            if not item["metadata"]["name"].startswith(("dagster-run-", "ingestion-"))
        }

    before = generations()
    headwater("up")
    assert generations() == before
