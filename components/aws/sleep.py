"""Sleep at night: EventBridge stops the database and mutes the alarms, two CronJobs scale the Deployments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from components import settings
from components.aws import policies
from components.aws.account import Account, tags
from components.connections import Platform
from components.kubernetes import pods, roles, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container
from components.kubernetes.roles import Rule
from components.settings.schedule import START_MINUTES, minutes

COMPONENT = "sleep"
VERSION = "1"
ACCOUNT = "sleeper"
MEMORY = "asleep"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
# Minutes: pods write to the database until they have ended; RDS takes up to ten to start; the first runs then follow.
DATABASE_LATER, PODS_LATER, ALARMS_LATER = 15, START_MINUTES, 75
# What could not be done is tried again for an hour, and not the next morning.
RETRY_SECONDS, RETRIES = 3600, 12
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
TARGET = "arn:aws:scheduler:::aws-sdk:"


@dataclass(frozen=True)
class Call:
    """One call of AWS's API. at: minutes of a day. action: as `service:operation`, in the SDK's spelling."""

    name: str
    at: int
    action: str
    request: Mapping[str, object]


def calls(schedule: settings.Schedule, database: str | None, alarms: Sequence[str]) -> list[Call]:
    """Return what EventBridge does in a day. database: RDS's identifier. alarms: names; one may be `…-marts-stale`.

    Alarms are quiet from the evening until the first runs have ended. One that rang all the time would tell nobody in
    the morning, because mails go out when it begins to ring: so its state is forgotten as the last step.
    """
    evening, morning = minutes(schedule.sleep), minutes(schedule.wake)
    found = []
    if alarms:
        names = {"AlarmNames": list(alarms)}
        found += [
            Call("mute-alarms", evening, "cloudwatch:disableAlarmActions", names),
            Call("unmute-alarms", morning + ALARMS_LATER, "cloudwatch:enableAlarmActions", names),
        ]
        for alarm in alarms:
            if alarm.endswith("-marts-stale"):
                state = {"AlarmName": alarm, "StateValue": "INSUFFICIENT_DATA", "StateReason": "The stack was asleep"}
                later = morning + ALARMS_LATER + 5
                found.append(Call("forget-stale-marts", later, "cloudwatch:setAlarmState", state))
    if database is not None:
        instance = {"DbInstanceIdentifier": database}
        found += [
            Call("stop-database", evening + DATABASE_LATER, "rds:stopDBInstance", instance),
            Call("start-database", morning, "rds:startDBInstance", instance),
        ]
    return found


def statements(account: Account, database: str | None, alarms: Sequence[str]) -> list[policies.Statement]:
    """Return what EventBridge may do: these calls, on this database and these alarms."""
    found = []
    if alarms:
        actions = ["cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions", "cloudwatch:SetAlarmState"]
        arns = [account.arn("cloudwatch", f"alarm:{name}") for name in alarms]
        found.append(policies.allow("Alarms", actions, arns))
    if database is not None:
        instance = [account.arn("rds", f"db:{database}")]
        found.append(policies.allow("Database", ["rds:StartDBInstance", "rds:StopDBInstance"], instance))
    return found


def eventbridge_cron(at: int, days: Sequence[str]) -> str:
    """Return the time of a day on these days, as EventBridge writes it."""
    return f"cron({at % 60} {at // 60} ? * {','.join(day.upper() for day in days)} *)"


def kubernetes_cron(at: int, days: Sequence[str]) -> str:
    """Return the time of a day on these days, as Kubernetes writes it."""
    return f"{at % 60} {at // 60} * * {','.join(day.upper() for day in days)}"


class Deployments:
    """The Deployments of the program, seen as they are registered; how many pods they have is not Pulumi's any more.

    A number in the program would be a difference every night, and wake what is changed while it sleeps. Those of the
    settings go to the CronJob that wakes them.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[pulumi.Input[str], pulumi.Input[str], pulumi.Input[int] | None]] = []

    def __call__(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        """Take the number of pods out of a Deployment; Kubernetes begins with one."""
        if args.type_ != DEPLOYMENT:
            return None
        props = vars(args.props) if not isinstance(args.props, Mapping) else args.props
        metadata, spec = props["metadata"], props["spec"]
        self._seen.append((metadata.name, metadata.namespace, spec.replicas))
        spec.replicas = None
        return pulumi.ResourceTransformationResult(args.props, args.opts)

    def of(self, namespace: pulumi.Input[str]) -> pulumi.Output[dict[str, int | None]]:
        """Return those registered until now in the namespace, by name, with how many pods the settings give them.

        None where an autoscaler decides.
        """
        return pulumi.Output.all(namespace, *self._seen).apply(
            lambda known: {name: pods for name, place, pods in sorted(known[1:], key=str) if place == known[0]}
        )


@dataclass(frozen=True)
class SleepArgs:
    """database: RDS's identifier, None where it has none. alarms: names of all alarms. deployments: what sleeps."""

    account: Account
    platform: Platform
    schedule: settings.Schedule
    database: str | None
    alarms: Sequence[str]
    deployments: pulumi.Output[dict[str, int | None]]


class Sleep(pulumi.ComponentResource):
    """The schedules of a day."""

    def __init__(
        self,
        name: str,
        args: SleepArgs,
        inside: pulumi.ResourceOptions,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:aws:Sleep", name, None, opts)
        self._args = args
        self._eventbridge(calls(args.schedule, args.database, args.alarms))
        self._cron_jobs(pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(parent=self)))
        self.register_outputs({})

    def _eventbridge(self, planned: Sequence[Call]) -> None:
        if not planned:
            return
        account, args, child = self._args.account, self._args, self._args.account.child(self)
        group = aws.scheduler.ScheduleGroup("sleep", name=account.name(), tags=tags(COMPONENT), opts=child)
        trusted = policies.trust(
            {"Service": "scheduler.amazonaws.com"},
            StringEquals={"aws:SourceAccount": account.settings.account},
            ArnEquals={"aws:SourceArn": account.arn("scheduler", f"schedule-group/{account.name()}")},
        )
        role = aws.iam.Role(
            "sleep-role",
            name=account.name(COMPONENT),
            description="EventBridge Scheduler: stops and starts the database, mutes alarms",
            assume_role_policy=policies.document([trusted]),
            permissions_boundary=account.boundary,
            tags=tags(COMPONENT),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            "sleep-policy",
            role=role.name,
            policy=policies.document(statements(account, args.database, args.alarms)),
            opts=child,
        )
        for call in planned:
            aws.scheduler.Schedule(
                call.name,
                name=call.name,
                group_name=group.name,
                schedule_expression=eventbridge_cron(call.at, args.schedule.days),
                schedule_expression_timezone=args.schedule.timezone,
                flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
                target=aws.scheduler.ScheduleTargetArgs(
                    arn=f"{TARGET}{call.action}",
                    role_arn=role.arn,
                    input=json.dumps(call.request),
                    retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                        maximum_event_age_in_seconds=RETRY_SECONDS, maximum_retry_attempts=RETRIES
                    ),
                ),
                opts=account.child(self, policy),
            )

    def _cron_jobs(self, child: pulumi.ResourceOptions) -> None:
        platform, schedule = self._args.platform, self._args.schedule
        identity = Identity("sleep", "schedule", VERSION, platform.namespace)
        # Its data is what the pods write down: not the program's.
        k8s.core.v1.ConfigMap("asleep-config", metadata=workloads.metadata(MEMORY, identity), opts=child)
        account = self._account(identity, child)
        times = {"sleep": minutes(schedule.sleep), "wake": minutes(schedule.wake) + PODS_LATER}
        for command, at in times.items():
            workloads.cron_job(
                command,
                identity,
                container(platform, command, self._args.deployments),
                child,
                service_account=account,
                when=kubernetes_cron(at, schedule.days),
                time_zone=schedule.timezone,
                late_seconds=RETRY_SECONDS,
                retries=6,
                automount_token=True,
            )

    def _account(self, identity: Identity, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
        account = workloads.service_account(ACCOUNT, identity, child)
        verbs = ("get", "patch")
        rules = [
            # The number of pods, of these Deployments only; not what they run.
            Rule(("apps",), ("deployments/scale",), verbs, self._args.deployments.apply(list)),
            Rule(("",), ("configmaps",), verbs, [MEMORY]),
        ]
        roles.role(ACCOUNT, identity, rules, account, child)
        return account


def container(platform: Platform, command: str, deployments: pulumi.Output[dict[str, int | None]]) -> Container:
    """Return the container that puts the Deployments to sleep, or wakes them."""
    listed = deployments.apply(
        lambda known: " ".join(name if number is None else f"{name}={int(number)}" for name, number in known.items())
    )
    return Container(
        name=command,
        image=platform.image("orchestration"),
        size=platform.sizes.sleep,
        command=["python", "-m", "headwater_dagster.sleep"],
        args=[command],
        environment={
            "HEADWATER_NAMESPACE": platform.namespace,
            "SLEEP_MEMORY": MEMORY,
            "SLEEP_DEPLOYMENTS": listed,
        },
        mounts=[pods.tmp()],
    )
