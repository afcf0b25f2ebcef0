"""The stack's dashboard in CloudWatch, as the JSON that CloudWatch expects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from components.aws import alarms

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
COLUMNS = 24
HEIGHT = 6
PERIOD = 300
Metric = list[Any]


def body(region: str, cluster: str, database: str | None, alarm_arns: Sequence[str], log_group: str) -> str:
    """Return the dashboard of a stack. database: RDS's identifier. log_group: where the containers' logs are."""
    namespace = f"Headwater/{cluster}"
    rows: list[list[tuple[str, dict[str, Any]]]] = [
        [("alarm", {"title": "Alarms", "alarms": list(alarm_arns)})],
        [
            _graph("Runs", region, [[namespace, alarms.RUNS_FAILED], [namespace, alarms.RUNS_SUCCEEDED]], "Sum"),
            _graph("Age of marts, s", region, [_each(namespace, "Mart", alarms.MART_AGE)]),
            _graph("Last load and newest row, s", region, [
                _each(namespace, "Stream", alarms.STREAM_AGE), _each(namespace, "Stream", alarms.NEWEST_ROW_AGE),
            ]),
        ],
        [
            _graph("Nodes, percent", region, [
                ["ContainerInsights", f"node_{part}_utilization", "ClusterName", cluster]
                for part in ("cpu", "memory", "filesystem")
            ]),
            _graph("Nodes", region, [["ContainerInsights", "cluster_node_count", "ClusterName", cluster]]),
        ],
    ]  # fmt: skip
    if database is not None:
        rows.append(
            [
                _graph(title, region, [["AWS/RDS", name, "DBInstanceIdentifier", database]])
                for title, name in (
                    ("Free storage of the database, bytes", "FreeStorageSpace"),
                    ("Connections to the database", "DatabaseConnections"),
                    ("CPU of the database, percent", "CPUUtilization"),
                )
            ]
        )
    errors = (
        f"SOURCE '{log_group}' | fields @timestamp, kubernetes.pod_name, log | filter log like /ERROR|Traceback/ "
        "| sort @timestamp desc | limit 50"
    )
    rows.append([("log", {"title": "Errors in the pods' logs", "region": region, "query": errors, "view": "table"})])
    return json.dumps({"widgets": list(_placed(rows))}, separators=(",", ":"))


def _placed(rows: Sequence[Sequence[tuple[str, dict[str, Any]]]]) -> Sequence[dict[str, Any]]:
    """Return the widgets of all rows, each row filled from left to right."""
    return [
        {"type": kind, "x": number * (COLUMNS // len(row)), "y": line * HEIGHT, "width": COLUMNS // len(row),
         "height": HEIGHT, "properties": properties}
        for line, row in enumerate(rows)
        for number, (kind, properties) in enumerate(row)
    ]  # fmt: skip


def _graph(
    title: str, region: str, metrics: Sequence[Metric], statistic: str = "Maximum"
) -> tuple[str, dict[str, Any]]:
    shown = {"title": title, "region": region, "stat": statistic, "period": PERIOD, "view": "timeSeries"}
    return "metric", {**shown, "metrics": list(metrics)}


def _each(namespace: str, dimension: str, metric: str) -> Metric:
    """Return a line for each value of the dimension, those of tomorrow too."""
    found = f"SEARCH('{{{namespace},{dimension}}} MetricName=\"{metric}\"', 'Maximum', {PERIOD})"
    return [{"expression": found, "label": f"{metric} ${{PROP('Dim.{dimension}')}}"}]
