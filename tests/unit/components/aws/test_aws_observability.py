"""Alarms and dashboard of the stacks on AWS: that each watches something, and is heard."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components import settings
from components.settings.base import seconds
from tests.unit.components import iam
from tests.unit.components.conftest import Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.served import served_program
from tests.unit.components.test_aws_program import inputs, of_kind

Stack = tuple[str, list[Resource], dict[str, Any]]
DATABASE = {"kind": "rds", "size": "20Gi"}
WATCHED = {"kind": "cloudwatch", "emails": ["me@example.com"]}
EKS: dict[str, Any] = {
    "aws": {"account": "111122223333", "region": "eu-central-1", "tags": {"owner": "me", "cost_center": "1"},
            "cluster": {"public_access": ["198.51.100.0/24"]}},
    "kubernetes": {"kind": "eks"}, "storage": {"kind": "s3"}, "images": {"builder": "docker", "registry": "ecr"},
    "database": DATABASE,
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "path", "says"),
    [
        ({"observability": WATCHED}, "headwater:observability.kind: 'cloudwatch'", "Pod Identity"),
        ({"observability": {"kind": "cloudwatch"}}, "headwater:observability", "alarms that nobody gets"),
        ({"observability": {"kind": "prometheus"}}, "headwater:observability.kind: 'prometheus'", "cloudwatch"),
        ({"observability": {"stale_after": "2h"}}, "headwater:observability", "set kind: cloudwatch"),
        ({**EKS, "observability": {**WATCHED, "emails": ["nobody"]}}, "headwater:observability.emails.0", "mail"),
        ({**EKS, "observability": {**WATCHED, "stale_after": "2 hours"}}, "headwater:observability.stale_after", "2h"),
        ({**EKS, "observability": WATCHED, "database": {**DATABASE, "instance_class": "db.x2g.large"}},
         "headwater:observability.database_connections", "db.x2g.large"),
        ({**EKS, "observability": {**WATCHED, "database_connections": 5}, "database": {}},
         "headwater:observability.database_connections: 5", "RDS's"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(raw: dict[str, Any], path: str, says: str) -> None:
    """An alarm that can never ring, or that rings where nobody listens, looks like peace."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse(raw)
    assert path in str(raised.value)
    assert says in str(raised.value)


def test_alarms_reach_people_through_an_encrypted_topic(aws_stack: Stack) -> None:
    """SNS drops what it may not encrypt: the alarm shows in the console, and no mail arrives."""
    stack, resources, _ = aws_stack
    ((name, topic),) = of_kind(resources, "Topic").items()
    arn, key = topic.outputs["arn"], plain(topic.inputs)["kmsMasterKeyId"]
    for alarm in inputs(resources, "MetricAlarm").values():
        assert alarm["alarmActions"] == [arn], name
    mails = inputs(resources, "TopicSubscription").values()
    emails = json.loads(stack_config(stack)["headwater:observability"])["emails"]
    assert [(each["topic"], each["protocol"], each["endpoint"]) for each in mails] == [
        (arn, "email", to) for to in emails
    ]
    account = json.loads(stack_config(stack)["headwater:aws"])["account"]
    (keys,) = [
        plain(each.inputs)["policy"] for each in of_kind(resources, "Key").values() if each.outputs["arn"] == key
    ]
    (policy,) = [each["policy"] for each in inputs(resources, "TopicPolicy").values()]
    for action, document, resource in (("kms:GenerateDataKey", keys, "*"), ("sns:Publish", policy, arn)):
        found = [each for each in json.loads(document)["Statement"] if each.get("Sid") == "Alarms"]
        mine = {"aws:SourceAccount": account, "aws:SourceArn": f"arn:aws:cloudwatch:eu-central-1:{account}:alarm:x"}
        assert iam.allowed({"Statement": found}, action, resource, mine), action
        assert not iam.allowed({"Statement": found}, action, resource, mine | {"aws:SourceAccount": "1" * 12}), action


def test_silence_of_the_pipeline_is_an_alarm_and_silence_of_the_rest_is_not(aws_stack: Stack) -> None:
    """Dagster's daemon is gone, no mart is built, and no alarm rings because nobody says anything."""
    _, resources, _ = aws_stack
    missing = {each["name"].rpartition("headwater-")[2].split("-", 1)[1]: each["treatMissingData"]
               for each in inputs(resources, "MetricAlarm").values()}  # fmt: skip
    assert missing["marts-stale"] == "breaching"
    assert missing["runs-failed"] == "notBreaching"
    assert {missing[name] for name in missing if name.startswith(("database", "node"))} == {"missing"}


def test_alarms_watch_what_the_stack_has(aws_stack: Stack) -> None:
    """A dimension spelled otherwise than the resource's name: the alarm has no data for ever."""
    stack, resources, _ = aws_stack
    (instance,), (cluster,) = inputs(resources, "Instance").values(), inputs(resources, "Cluster").values()
    watched = {each["metricName"]: each for each in inputs(resources, "MetricAlarm").values()}
    for metric in ("FreeStorageSpace", "DatabaseConnections"):
        assert watched[metric]["dimensions"] == {"DBInstanceIdentifier": instance["identifier"]}
    assert watched["node_filesystem_utilization"]["dimensions"] == {"ClusterName": cluster["name"]}
    assert watched["FreeStorageSpace"]["threshold"] < instance["allocatedStorage"] * 2**30 * 0.1
    environment = inputs(resources, "ConfigMap")["dagster-environment-config"]["data"]
    for metric in ("RunsFailed", "OldestMartSeconds"):
        assert watched[metric]["namespace"] == environment["METRICS_NAMESPACE"] == f"Headwater/headwater-{stack}"
    assert environment["AWS_DEFAULT_REGION"] == "eu-central-1"


def test_the_certificate_is_watched_where_there_is_one() -> None:
    """Nobody can log in on the day that the certificate ends."""
    served, _ = served_program("staging")
    (alarm,) = [each for each in of_kind(served, "MetricAlarm").values() if each.name == "certificate-alarm"]
    listeners = [each.get("certificateArn") for each in inputs(served, "Listener").values()]
    given = plain(alarm.inputs)
    assert given["dimensions"]["CertificateArn"] in listeners
    (dashboard,) = inputs(served, "Dashboard").values()
    widgets = json.loads(dashboard["dashboardBody"])["widgets"]
    (shown,) = [each["properties"]["alarms"] for each in widgets if each["type"] == "alarm"]
    assert f"arn:aws:cloudwatch:eu-central-1:111122223333:alarm:{given['name']}" in shown
    assert not [each for each in inputs(aws_program("staging")[0], "MetricAlarm") if "certificate" in each]


@pytest.mark.parametrize(
    ("instance_class", "most"),
    [("db.t4g.micro", 112), ("db.t4g.small", 225), ("db.m7g.large", 901), ("db.r6g.large", 1802)],
)
def test_the_alarm_on_connections_comes_before_the_last_one(instance_class: str, most: int) -> None:
    """`most` is `DBInstanceClassMemory / 9531392` at its highest: above it the database refuses, and nothing rang."""
    database = settings.Database(kind="rds", size="20Gi", instance_class=instance_class)
    assert database.most_connections is not None
    assert 0.6 * most < database.most_connections < most


def test_nothing_watches_unless_asked() -> None:
    """A stack whose settings name nobody would pay for metrics that nobody reads."""
    config = {**stack_config("staging"), "headwater:observability": '{"kind": "none"}'}
    resources, _ = run_program(config, "staging")
    assert not {"MetricAlarm", "Topic", "Dashboard", "TopicSubscription"} & {each.kind for each in resources}
    assert "METRICS_NAMESPACE" not in inputs(resources, "ConfigMap")["dagster-environment-config"]["data"]


def test_the_dashboard_fits_its_grid_and_shows_every_alarm(aws_stack: Stack) -> None:
    """CloudWatch refuses a widget beyond column 24, and draws two on one place over each other."""
    _, resources, _ = aws_stack
    (dashboard,) = inputs(resources, "Dashboard").values()
    widgets = json.loads(dashboard["dashboardBody"])["widgets"]
    taken = [(x, y) for each in widgets for x in range(each["x"], each["x"] + each["width"])
             for y in range(each["y"], each["y"] + each["height"])]  # fmt: skip
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    arns = {each.outputs["arn"] for each in of_kind(resources, "MetricAlarm").values()}
    (shown,) = [each["properties"]["alarms"] for each in widgets if each["type"] == "alarm"]
    assert set(shown) == arns


def test_durations_are_read_in_their_unit() -> None:
    """`2h` taken for two minutes wakes somebody every night."""
    assert [seconds(text) for text in ("90s", "5m", "2h")] == [90, 300, 7200]
