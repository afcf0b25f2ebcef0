"""Monitoring of the stack: CloudWatch's agent on the nodes, alarms, a topic that e-mails them, and a dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pulumi
import pulumi_aws as aws

from components import connections, settings
from components.aws import policies
from components.aws.account import Account, tags
from components.aws.alarms import CERTIFICATE, RUNBOOK, Alarm, alarms, certificate, pipeline_namespace
from components.aws.dashboard import body
from components.aws.identity import WorkloadRole, WorkloadRoleArgs

COMPONENT = "observability"
ADD_ON = "amazon-cloudwatch-observability"
# The add-on's own names: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Observability-EKS-addon.html
AGENT, AGENT_NAMESPACE = "cloudwatch-agent", "amazon-cloudwatch"
INSIGHTS = "ContainerInsights"
LOGS = ("application", "dataplane", "host", "performance")
# Logs and metrics of containers and nodes. No tracing: it would put an agent of its own into every JVM.
CONFIGURATION = {
    "agent": {"config": {"logs": {"metrics_collected": {"kubernetes": {"enhanced_container_insights": True}}}}},
    "containerLogs": {"enabled": True},
    "manager": {"applicationSignals": {"autoMonitor": {"monitorAllServices": False}}},
}


class Watched(Protocol):
    """The cluster that is watched, as `components/cluster/eks.py` makes it."""

    @property
    def cluster_name(self) -> pulumi.Output[str]:
        """Its name, once it is there."""

    def add_on(
        self, name: str, *after: pulumi.Resource, configuration: Mapping[str, object] | None = None
    ) -> pulumi.Resource:
        """Install an add-on of EKS."""


@dataclass(frozen=True)
class ObservabilityArgs:
    """key: what encrypts logs and the topic. after: what the add-on's pods need to be scheduled.

    namespace: the platform's; `dagster` in it publishes the pipeline's facts. certificate: whether there will be one.
    """

    account: Account
    cluster: Watched
    key: pulumi.Input[str]
    namespace: str
    after: tuple[pulumi.Resource, ...]
    database: settings.Database
    certificate: bool
    settings: settings.Observability


class Observability(pulumi.ComponentResource):
    """Agent, alarms and dashboard; `metrics` is where the pipeline publishes, `alarms` the names of all alarms."""

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:Observability", name, None, opts)
        self._args, self._child = args, args.account.child(self)
        account = args.account
        self._agent()
        publisher = self._role("dagster", args.namespace, policies.metrics_access(pipeline_namespace(account)))
        self.metrics = connections.Metrics(pipeline_namespace(account), account.region, publisher.ready)
        self._topic_of_alarms = topic = self._topic()
        watched = alarms(account, args.settings, args.database)
        made = [self._alarm(alarm, topic) for alarm in watched]
        self.alarms = tuple(account.name(alarm.name) for alarm in watched)
        later = [account.arn("cloudwatch", f"alarm:{account.name(CERTIFICATE)}")] if args.certificate else []
        aws.cloudwatch.Dashboard(
            "dashboard",
            dashboard_name=account.name(),
            dashboard_body=pulumi.Output.all(*(alarm.arn for alarm in made)).apply(
                lambda arns: body(
                    account.region,
                    account.name(),
                    account.name("database") if args.database.kind == "rds" else None,
                    [*arns, *later],
                    log_group(account, "application"),
                )
            ),
            opts=self._child,
        )
        self.register_outputs({"alarms": list(self.alarms)})

    def watch_certificate(self, arn: pulumi.Input[str]) -> None:
        """Add the alarm of a certificate that is about to expire."""
        self._alarm(certificate(self._args.settings.certificate_days), self._topic_of_alarms, CertificateArn=arn)

    def _agent(self) -> None:
        account = self._args.account
        groups = [
            aws.cloudwatch.LogGroup(
                f"{kind}-logs",
                # The agent writes to the groups of these names, and would make them without an end to their retention.
                name=log_group(account, kind),
                retention_in_days=account.settings.retention.log_days,
                kms_key_id=self._args.key,
                tags=tags(COMPONENT),
                opts=self._child,
            )
            for kind in LOGS
        ]
        statements = policies.agent_access(account.settings.account, account.region, log_group(account, "*"), INSIGHTS)
        role = self._role(AGENT, AGENT_NAMESPACE, statements)
        self._args.cluster.add_on(ADD_ON, *self._args.after, *groups, *role.ready, configuration=CONFIGURATION)

    def _role(self, service_account: str, namespace: str, statements: list[policies.Statement]) -> WorkloadRole:
        args = self._args
        return WorkloadRole(
            service_account,
            WorkloadRoleArgs(
                args.account, args.cluster.cluster_name, namespace, service_account, policies.document(statements)
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _topic(self) -> aws.sns.Topic:
        account = self._args.account
        topic = aws.sns.Topic(
            "alarms",
            name=account.name("alarms"),
            display_name=account.name(),
            kms_master_key_id=self._args.key,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        aws.sns.TopicPolicy(
            "alarms-policy",
            arn=topic.arn,
            policy=topic.arn.apply(
                lambda arn: policies.document(
                    [policies.alarms_publish(arn, account.settings.account, account.arn("cloudwatch", "alarm:*"))]
                )
            ),
            opts=self._child,
        )
        for number, address in enumerate(self._args.settings.emails):
            aws.sns.TopicSubscription(
                f"alarms-mail-{number}", topic=topic.arn, protocol="email", endpoint=address, opts=self._child
            )
        return topic

    def _alarm(self, alarm: Alarm, topic: aws.sns.Topic, **dimensions: pulumi.Input[str]) -> aws.cloudwatch.MetricAlarm:
        # A stack that sleeps has its alarms muted at night; what is muted is no difference.
        sleeps = self._args.account.settings.schedule is not None
        unmuted = pulumi.ResourceOptions(ignore_changes=["actionsEnabled"] if sleeps else None)
        return aws.cloudwatch.MetricAlarm(
            f"{alarm.name}-alarm",
            name=self._args.account.name(alarm.name),
            alarm_description=f"{alarm.description} What to do: {RUNBOOK}",
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions={**alarm.dimensions, **dimensions} if alarm.dimensions or dimensions else None,
            statistic=alarm.statistic,
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            period=alarm.period,
            evaluation_periods=alarm.periods,
            treat_missing_data=alarm.missing,
            alarm_actions=[topic.arn],
            tags=tags(COMPONENT),
            opts=pulumi.ResourceOptions.merge(self._child, unmuted),
        )


def log_group(account: Account, kind: str) -> str:
    """Return the name of one of the agent's log groups."""
    return f"/aws/containerinsights/{account.name()}/{kind}"
