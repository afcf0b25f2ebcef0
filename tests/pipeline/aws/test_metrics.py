"""Alarms and dashboards look at what the pipeline publishes: both from the program, on moto's CloudWatch."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.unit.components.conftest import ROOT, aws_program, plain

NOW = dt.datetime.now(dt.UTC)
Metric = tuple[str, tuple[str, ...]]


@pytest.fixture(params=["staging", "prod"])
def stack(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """Inputs of the resources of a stack, by `Kind name`."""
    return {f"{each.kind} {each.name}": plain(each.inputs) for each in aws_program(request.param)[0]}


@pytest.fixture
def published(stack: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, set[Metric]]]:
    """The namespace, and (name, dimensions' names) of each metric that the image's own code publishes to it."""
    monkeypatch.syspath_prepend(str(ROOT / "pipeline_code" / "orchestration"))
    environment = stack["ConfigMap dagster-environment-config"]["data"]
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in {**keys, "AWS_DEFAULT_REGION": environment["AWS_DEFAULT_REGION"]}.items():
        monkeypatch.setenv(name, value)
    from headwater_dagster import metrics

    facts = metrics.Facts(1, 2, {"fct_orders": 60.0, "dim_stores": 3600.0}, {"orders": 5.0}, {"orders": 7.0})
    namespace = environment["METRICS_NAMESPACE"]
    with mock_aws():
        metrics.publish(namespace, facts, NOW)
        listed = boto3.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
        yield namespace, {(each["MetricName"], tuple(d["Name"] for d in each["Dimensions"])) for each in listed}


def test_every_alarm_on_the_pipeline_watches_a_metric_that_is_published(
    stack: dict[str, dict[str, Any]], published: tuple[str, set[Metric]]
) -> None:
    """One letter between the two, and the alarm is silent for ever, or rings for ever."""
    namespace, found = published
    watched = {
        (each["metricName"], tuple(each.get("dimensions", {})))
        for name, each in stack.items()
        if name.startswith("MetricAlarm ") and each["namespace"] == namespace
    }
    assert len(watched) == 2
    assert watched <= found


def test_the_dashboard_shows_what_is_published_and_all_of_it(
    stack: dict[str, dict[str, Any]], published: tuple[str, set[Metric]]
) -> None:
    """An empty graph, or a fact that is paid for and that nobody sees."""
    namespace, found = published
    shown: set[Metric] = {("OldestMartSeconds", ())}  # the alarm's own, drawn in its widget
    for widget in json.loads(stack["Dashboard dashboard"]["dashboardBody"])["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == namespace:
                shown.add((metric[1], tuple(metric[2::2])))
            elif isinstance(metric[0], dict):
                place, name = re.findall(r"SEARCH\('\{([^}]+)\} MetricName=\"(\w+)\"'", metric[0]["expression"])[0]
                of, *dimensions = place.split(",")
                assert of == namespace
                shown.add((name, tuple(dimensions)))
    assert shown == found


def test_the_alarm_follows_the_oldest_mart(published: tuple[str, set[Metric]]) -> None:
    """An average of ten fresh marts and a stale one looks fresh."""
    namespace, _ = published
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName="OldestMartSeconds", Period=3600, Statistics=["Maximum"],
        StartTime=NOW - dt.timedelta(hours=1), EndTime=NOW + dt.timedelta(hours=1),
    )["Datapoints"]  # fmt: skip
    assert [point["Maximum"] for point in points] == [3600.0]
