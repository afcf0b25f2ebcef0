"""A stack that sleeps at night: what stops, in which order, and who may do it."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest

from components import settings
from components.aws.sleep import eventbridge_cron, kubernetes_cron
from tests.unit.components import iam
from tests.unit.components.conftest import Resource, aws_program, plain
from tests.unit.components.test_aws_observability import EKS
from tests.unit.components.test_aws_program import inputs

ACCOUNT, REGION = "111122223333", "eu-central-1"
DATABASE = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:headwater-staging-database"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:headwater-staging-"


def slept(changes: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {**EKS, "aws": {**EKS["aws"], "deletion_protection": False, "schedule": changes}, **others}


@pytest.mark.parametrize(
    ("raw", "path", "says"),
    [
        (slept({"wake": "7:00"}), "headwater:aws.schedule.wake: '7:00'", "07:30"),
        (slept({"wake": 420}), "headwater:aws.schedule.wake: 420", ""),
        (slept({"wake": "20:00", "sleep": "07:00"}), "headwater:aws.schedule", "less than two hours"),
        (slept({"sleep": "23:45"}), "headwater:aws.schedule", "23:30"),
        (slept({"days": ["monday"]}), "headwater:aws.schedule.days.0: 'monday'", "mon"),
        (slept({"days": ["mon", "mon"]}), "headwater:aws.schedule", "each day once"),
        (slept({"timezone": "Mars/Base"}), "headwater:aws.schedule.timezone: 'Mars/Base'", "Europe/Berlin"),
        ({**slept({}), "aws": {**EKS["aws"], "schedule": {}}}, "headwater:aws.schedule", "deletion_protection"),
        (slept({}, database={"kind": "rds", "size": "20Gi", "multi_az": True}), "headwater:aws.schedule", "multi_az"),
        ({"aws": slept({})["aws"]}, "headwater:aws.schedule", "EKS"),
    ],
)
def test_a_wrong_schedule_is_named(raw: dict[str, Any], path: str, says: str) -> None:
    """Production that stops at eight in the evening; or a stack that somebody believes asleep."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse(raw)
    assert path in str(raised.value)
    assert says in str(raised.value)


def minute(expression: str) -> int:
    """Return the minute of the day of either kind of cron."""
    minutes, hours = re.findall(r"(\d+) (\d+) ", expression)[0]
    return int(hours) * 60 + int(minutes)


def times(resources: list[Resource]) -> dict[str, int]:
    """Return minute of the day of everything that the stack does by the clock."""
    found = {name: minute(each["scheduleExpression"]) for name, each in inputs(resources, "Schedule").items()}
    jobs = inputs(resources, "CronJob")
    return found | {name: minute(jobs[f"{name}-cronjob"]["spec"]["schedule"]) for name in ("sleep", "wake")}


def test_it_goes_to_sleep_and_wakes_one_after_the_other() -> None:
    """The database stops below running pods; or an alarm rings every morning, because the pods still start."""
    at = times(aws_program("staging")[0])
    assert at["mute-alarms"] <= at["sleep"] < at["stop-database"]
    # RDS takes up to ten minutes to start.
    assert at["start-database"] + 10 <= at["wake"]
    assert at["wake"] + 60 <= at["unmute-alarms"] < at["forget-stale-marts"] < at["sleep"]


def test_both_clocks_mean_the_same_days_and_zone() -> None:
    """Kubernetes counts Sunday as 0, EventBridge as 1: a database that starts on Sunday for pods of Monday."""
    resources, _ = aws_program("staging")
    days = {each["scheduleExpression"].split()[4] for each in inputs(resources, "Schedule").values()}
    jobs = {
        name: each for name, each in inputs(resources, "CronJob").items() if name in {"sleep-cronjob", "wake-cronjob"}
    }
    days |= {each["spec"]["schedule"].split()[4] for each in jobs.values()}
    assert days == {"MON,TUE,WED,THU,FRI"}
    zones = {each["scheduleExpressionTimezone"] for each in inputs(resources, "Schedule").values()}
    assert zones | {each["spec"]["timeZone"] for each in jobs.values()} == {"Europe/Berlin"}
    assert eventbridge_cron(425, ["mon", "sun"]) == "cron(5 7 ? * MON,SUN *)"
    assert kubernetes_cron(425, ["mon", "sun"]) == "5 7 * * MON,SUN"


def test_every_deployment_of_the_platform_sleeps() -> None:
    """A Deployment that somebody adds keeps a node up all night."""
    resources, _ = aws_program("staging")
    there = {name: each for name, each in inputs(resources, "Deployment").items()
             if each["metadata"]["namespace"] == "headwater"}  # fmt: skip
    names = {each["metadata"]["name"] for each in there.values()}
    (role,) = [each for each in inputs(resources, "Role").values() if each.get("metadata", {}).get("name") == "sleeper"]
    scaled = [rule for rule in role["rules"] if rule["resources"] == ["deployments/scale"]]
    assert [set(rule["resourceNames"]) for rule in scaled] == [names]
    for name in ("sleep-cronjob", "wake-cronjob"):
        pod = inputs(resources, "CronJob")[name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert set(environment["SLEEP_DEPLOYMENTS"].split()) == names
        assert environment["SLEEP_MEMORY"] in {
            each["metadata"]["name"] for each in inputs(resources, "ConfigMap").values()
        }


def test_how_many_pods_there_are_is_not_the_programs_where_it_sleeps() -> None:
    """`pulumi up` at night would wake one after another, and the drift of every night would be reported."""
    said = {
        stack: {
            name for name, each in inputs(aws_program(stack)[0], "Deployment").items() if "replicas" in each["spec"]
        }
        for stack in ("staging", "prod")
    }
    assert said["staging"] == set()
    assert {"trino-deployment", "superset-deployment", "dagster-daemon-deployment"} <= said["prod"]
    assert not {"Schedule", "ScheduleGroup"} & {each.kind for each in aws_program("prod")[0]}


@pytest.mark.parametrize(
    ("action", "resource", "decision"),
    [
        ("rds:StopDBInstance", DATABASE, True),
        ("rds:StartDBInstance", DATABASE, True),
        ("rds:StopDBInstance", DATABASE.replace("staging", "prod"), False),
        ("rds:DeleteDBInstance", DATABASE, False),
        ("rds:ModifyDBInstance", DATABASE, False),
        ("cloudwatch:DisableAlarmActions", f"{ALARM}marts-stale", True),
        ("cloudwatch:SetAlarmState", f"{ALARM}marts-stale", True),
        ("cloudwatch:DisableAlarmActions", f"{ALARM.replace('staging', 'prod')}marts-stale", False),
        ("cloudwatch:DeleteAlarms", f"{ALARM}marts-stale", False),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/headwater-staging-sleep", False),
    ],
)
def test_the_scheduler_stops_and_starts_and_does_no_more(action: str, resource: str, decision: bool) -> None:
    """A clock that can delete a database, or stop another stack's."""
    (policy,) = [plain(each.inputs)["policy"] for each in aws_program("staging")[0] if each.name == "sleep-policy"]
    assert iam.allowed(json.loads(policy), action, resource) is decision


def test_only_this_stacks_schedules_get_the_role() -> None:
    """Any schedule in any account could ask the service to act in the role's name."""
    (role,) = [plain(each.inputs) for each in aws_program("staging")[0] if each.name == "sleep-role"]
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    group = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/headwater-staging"
    assert iam.holds(statement["Condition"], {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": group})
    assert not iam.holds(statement["Condition"], {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"{group}-2"})


def test_the_share_of_a_week_awake() -> None:
    """`make cost` would tell a stack that sleeps two thirds of the week its price around the clock."""
    assert settings.Schedule(wake="07:00", sleep="20:00").share_awake == pytest.approx(65 / 168)
