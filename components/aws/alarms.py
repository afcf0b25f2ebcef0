"""The stack's alarms as data: a pure function makes them from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from components import settings
from components.aws.account import Account

# What the sensor publish_metrics sends, by the names of pipeline_code/orchestration/headwater_dagster/metrics.py.
RUNS_FAILED, RUNS_SUCCEEDED = "RunsFailed", "RunsSucceeded"
MART_AGE, OLDEST_MART_AGE = "SecondsSinceBuilt", "OldestMartSeconds"
STREAM_AGE, NEWEST_ROW_AGE = "SecondsSinceLoaded", "NewestRowSeconds"
MINUTES = 60
DAY = 24 * 3600
SHARE_OF_CONNECTIONS = 0.8
RUNBOOK = "docs/aws-operations.md#alarms"
CERTIFICATE = "certificate"
Comparison = Literal["GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold"]


@dataclass(frozen=True)
class Alarm:
    """One alarm: `statistic` of the metric over each of `periods` times `period` seconds, against the threshold.

    missing: what silence means: `breaching` is bad news, `notBreaching` good, `missing` and `ignore` none.
    """

    name: str
    description: str
    namespace: str
    metric: str
    statistic: Literal["Sum", "Maximum", "Minimum"]
    comparison: Comparison
    threshold: float
    period: int = 5 * MINUTES
    periods: int = 1
    missing: Literal["breaching", "notBreaching", "missing", "ignore"] = "missing"
    dimensions: Mapping[str, str] = field(default_factory=dict)


def pipeline_namespace(account: Account) -> str:
    """Return the namespace of the stack's own metrics; each stack may write to its own only."""
    return f"Headwater/{account.name()}"


def alarms(account: Account, watched: settings.Observability, database: settings.Database) -> list[Alarm]:
    """Return the alarms of a stack."""
    found = [*_pipeline(pipeline_namespace(account), watched), _node_disk(account.name(), watched)]
    if database.kind == "rds":
        found += _database(account.name("database"), watched, database)
    return found


def _pipeline(namespace: str, watched: settings.Observability) -> list[Alarm]:
    return [
        Alarm(
            "runs-failed",
            "A run of the pipeline failed and is not tried again.",
            namespace,
            RUNS_FAILED,
            "Sum",
            "GreaterThanOrEqualToThreshold",
            1,
            # That nothing is published is the other alarm's to say.
            missing="notBreaching",
        ),
        Alarm(
            "marts-stale",
            f"A mart is older than {watched.stale_after}, or nothing tells how old the marts are.",
            namespace,
            OLDEST_MART_AGE,
            "Maximum",
            "GreaterThanThreshold",
            settings.seconds(watched.stale_after),
            period=15 * MINUTES,
            periods=2,
            missing="breaching",
        ),
    ]


def _node_disk(cluster: str, watched: settings.Observability) -> Alarm:
    return Alarm(
        "node-disk",
        f"The disk of a node is fuller than {watched.node_disk_percent} %.",
        "ContainerInsights",
        "node_filesystem_utilization",
        "Maximum",
        "GreaterThanThreshold",
        watched.node_disk_percent,
        periods=3,
        dimensions={"ClusterName": cluster},
    )


def _database(identifier: str, watched: settings.Observability, database: settings.Database) -> list[Alarm]:
    size = settings.mebibytes(database.size) * 2**20
    connections = watched.database_connections
    if connections is None:
        if database.most_connections is None:
            raise ValueError(f"how many connections {database.instance_class} allows is not known")
        connections = int(database.most_connections * SHARE_OF_CONNECTIONS)
    instance = {"DBInstanceIdentifier": identifier}
    return [
        Alarm(
            "database-storage",
            f"Less than {watched.free_storage_percent} % of {database.size} is free: the volume does not grow.",
            "AWS/RDS",
            "FreeStorageSpace",
            "Minimum",
            "LessThanThreshold",
            size * watched.free_storage_percent / 100,
            periods=3,
            dimensions=instance,
        ),
        Alarm(
            "database-connections",
            f"More than {connections} connections to the database.",
            "AWS/RDS",
            "DatabaseConnections",
            "Maximum",
            "GreaterThanThreshold",
            connections,
            periods=3,
            dimensions=instance,
        ),
    ]


def certificate(days: int) -> Alarm:
    """Return the alarm on a certificate of ACM, without its dimension: its ARN is AWS's to choose."""
    return Alarm(
        CERTIFICATE,
        f"The certificate ends in less than {days} days: ACM could not renew it.",
        "AWS/CertificateManager",
        "DaysToExpiry",
        "Minimum",
        "LessThanThreshold",
        days,
        period=DAY,
        # ACM says nothing more of a certificate that has ended.
        missing="ignore",
    )
