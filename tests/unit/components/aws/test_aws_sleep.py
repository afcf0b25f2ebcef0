"""A stack that sleeps at night: what stops, in which order, and who may do it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pulumi
import pytest

from components import settings
from components.aws.sleep import eventbridge_cron, kubernetes_cron
from components.settings.schedule import DAYS, EVENING_MINUTES, MORNING_MINUTES, minutes
from tests.unit.components import iam
from tests.unit.components.aws.test_aws_observability import EKS
from tests.unit.components.conftest import Resource, aws_program, plain, run_program, stack_config
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
        # Enough for RDS without summer time, and not with it.
        (
            slept({"wake": "07:00", "sleep": "09:00", "timezone": "Europe/Berlin"}),
            "headwater:aws.schedule",
            "145 minutes",
        ),
        # On the last Sunday of March clocks jump from 02:00 to 03:00, and what is due then is left out.
        (
            slept({"wake": "01:50", "days": ["sat", "sun"], "timezone": "Europe/Berlin"}),
            "headwater:aws.schedule.wake: '01:50'",
            "clocks jump",
        ),
        (
            slept({"wake": "00:00", "sleep": "02:50", "days": ["sun"], "timezone": "Europe/Berlin"}),
            "headwater:aws.schedule.sleep: '02:50'",
            "Sunday",
        ),
        # On a Saturday at eleven in the evening.
        (slept({"days": ["sat"], "sleep": "23:10", "timezone": "America/Nuuk"}), "headwater:aws.schedule.sleep", ""),
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


def test_a_time_that_clocks_jump_over_on_another_day_is_allowed() -> None:
    """A schedule of weekdays refused for what happens on Sundays."""
    assert settings.Schedule(wake="02:30", days=["sat"], timezone="Europe/Berlin").wake == "02:30"
    assert settings.Schedule(wake="02:30", days=["mon", "tue"], timezone="Europe/Berlin").wake == "02:30"
    assert settings.Schedule(wake="02:30", days=["sun"], timezone="Asia/Tokyo").wake == "02:30"


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


def test_a_morning_and_an_evening_last_as_long_as_the_settings_think() -> None:
    """A step later than that: due at a time that clocks jump over, and nobody refused it."""
    at = times(aws_program("staging")[0])
    wake, sleep = 7 * 60, 20 * 60
    assert max(each for each in at.values() if each < sleep) == wake + MORNING_MINUTES
    assert max(at.values()) == sleep + EVENING_MINUTES


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


ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kathmandu", "Australia/Lord_Howe")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("wake", "sleep"), [("07:00", "20:00"), ("00:00", "02:25"), ("21:05", "23:30")])
def test_backups_and_maintenance_are_while_the_database_is_awake(zone: str, wake: str, sleep: str) -> None:
    """A stopped database makes no backup: one night's loss is all that ever was; and its maintenance is never done."""
    backup, maintenance = settings.Schedule(wake=wake, sleep=sleep, timezone=zone, days=["tue", "wed", "thu"]).windows
    opens, closes = maintenance.split("-")
    first = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    for day in (first + timedelta(days=number) for number in range(365)):
        for begin, end in (backup.split("-"), (opens[4:], closes[4:])):
            assert (minutes(end) - minutes(begin)) % (24 * 60) == 30
            local = (day + timedelta(minutes=minutes(begin))).astimezone(ZoneInfo(zone))
            begun = local.hour * 60 + local.minute
            # RDS takes a while to start.
            assert minutes(wake) + 15 <= begun <= minutes(sleep) - 30, f"{zone} {local}"
        if DAYS[day.weekday()] == opens[:3]:
            local = (day + timedelta(minutes=minutes(opens[4:]))).astimezone(ZoneInfo(zone))
            assert DAYS[local.weekday()] == "tue", f"{zone} {local}"
    # RDS refuses windows that overlap, and its emulator also those that touch.
    assert (minutes(backup[:5]) - minutes(closes[4:])) % (24 * 60) == 10


def test_the_database_of_a_stack_that_sleeps_has_windows_of_its_own() -> None:
    """Windows that are worked out and that nobody gives to RDS."""
    (staging,), (prod,) = (inputs(aws_program(stack)[0], "Instance").values() for stack in ("staging", "prod"))
    # 20:00 in Berlin is 18:00 in summer and 19:00 in winter.
    assert (staging["backupWindow"], staging["maintenanceWindow"]) == ("17:30-18:00", "mon:16:50-mon:17:20")
    assert (prod["backupWindow"], prod["maintenanceWindow"]) == ("01:00-02:00", "sun:03:00-sun:04:00")


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
        assert {each.partition("=")[0] for each in environment["SLEEP_DEPLOYMENTS"].split()} == names
        assert environment["SLEEP_MEMORY"] in {
            each["metadata"]["name"] for each in inputs(resources, "ConfigMap").values()
        }


def test_who_wakes_them_knows_how_many_pods_the_settings_give() -> None:
    """Two web servers in the settings are one from the first `pulumi up` on, and nobody brings the second."""
    config = stack_config("staging")
    dashboards = json.loads(config["headwater:dashboards"]) | {"servers": 2}
    resources, _ = run_program({**config, "headwater:dashboards": json.dumps(dashboards)}, "staging")
    pod = inputs(resources, "CronJob")["wake-cronjob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (listed,) = [each["value"] for each in pod["containers"][0]["env"] if each["name"] == "SLEEP_DEPLOYMENTS"]
    assert {"superset=2", "trino=1", "dagster-daemon=1"} <= set(listed.split())
    # Their number is an autoscaler's.
    assert "trino-worker" in listed.split()


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
