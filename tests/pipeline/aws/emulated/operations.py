"""Handlers of what watches and schedules: logs, alarms, topics, budget, schedules."""

from __future__ import annotations

import json
from typing import Any

from tests.pipeline.aws.emulated.emulator import HANDLERS, Emulator, Made, tag_list


def log_group(aws: Emulator, given: dict[str, Any]) -> Made:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=given["name"], kmsKeyId=given["kmsKeyId"], tags=given["tags"])
    logs.put_retention_policy(logGroupName=given["name"], retentionInDays=int(given["retentionInDays"]))
    (found,) = logs.describe_log_groups(logGroupNamePrefix=given["name"])["logGroups"]
    return {"arn": found["arn"].removesuffix(":*")}


def budget(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("budgets").create_budget(
        AccountId="123456789012",
        Budget={
            "BudgetName": given["name"],
            "BudgetLimit": {"Amount": given["limitAmount"], "Unit": given["limitUnit"]},
            "CostFilters": {each["name"]: each["values"] for each in given["costFilters"]},
            "TimeUnit": given["timeUnit"],
            "BudgetType": given["budgetType"],
        },
    )
    return {}


def topic(aws: Emulator, given: dict[str, Any]) -> Made:
    attributes = {"DisplayName": given["displayName"], "KmsMasterKeyId": given["kmsMasterKeyId"]}
    # SNS asks KMS for the key when it encrypts, and only then says that there is none.
    aws.client("kms").describe_key(KeyId=given["kmsMasterKeyId"])
    made = aws.client("sns").create_topic(Name=given["name"], Attributes=attributes, Tags=tag_list(given["tags"]))
    return {"arn": made["TopicArn"]}


def topic_policy(aws: Emulator, given: dict[str, Any]) -> Made:
    json.loads(given["policy"])
    aws.client("sns").set_topic_attributes(
        TopicArn=given["arn"], AttributeName="Policy", AttributeValue=given["policy"]
    )
    return {}


def subscription(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("sns").subscribe(TopicArn=given["topic"], Protocol=given["protocol"], Endpoint=given["endpoint"])
    return {}


def metric_alarm(aws: Emulator, given: dict[str, Any]) -> Made:
    for target in given["alarmActions"]:
        aws.client("sns").get_topic_attributes(TopicArn=target)
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=given["name"],
        AlarmDescription=given["alarmDescription"],
        AlarmActions=given["alarmActions"],
        Namespace=given["namespace"],
        MetricName=given["metricName"],
        Dimensions=[{"Name": name, "Value": value} for name, value in given.get("dimensions", {}).items()],
        Statistic=given["statistic"],
        ComparisonOperator=given["comparisonOperator"],
        Threshold=given["threshold"],
        Period=int(given["period"]),
        EvaluationPeriods=int(given["evaluationPeriods"]),
        TreatMissingData=given["treatMissingData"],
        Tags=tag_list(given["tags"]),
    )
    # CloudWatch takes a day at most, all periods together.
    assert given["period"] * given["evaluationPeriods"] <= 86400
    (found,) = cloudwatch.describe_alarms(AlarmNames=[given["name"]])["MetricAlarms"]
    return {"arn": found["AlarmArn"]}


def dashboard(aws: Emulator, given: dict[str, Any]) -> Made:
    made = aws.client("cloudwatch").put_dashboard(
        DashboardName=given["dashboardName"], DashboardBody=given["dashboardBody"]
    )
    assert not made.get("DashboardValidationMessages")
    return {}


def schedule_group(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("scheduler").create_schedule_group(Name=given["name"], Tags=tag_list(given["tags"]))
    return {}


def schedule(aws: Emulator, given: dict[str, Any]) -> Made:
    target = given["target"]
    retries = {"maximumEventAgeInSeconds": "MaximumEventAgeInSeconds", "maximumRetryAttempts": "MaximumRetryAttempts"}
    # The role must be there already, and the call must be one that AWS has, with arguments that it takes.
    aws.client("iam").get_role(RoleName=target["roleArn"].rsplit("/", 1)[1])
    aws.validate(*universal_target(aws, target["arn"]), **sdk_arguments(aws, target))
    aws.client("scheduler").create_schedule(
        Name=given["name"],
        GroupName=given["groupName"],
        ScheduleExpression=given["scheduleExpression"],
        ScheduleExpressionTimezone=given["scheduleExpressionTimezone"],
        FlexibleTimeWindow={"Mode": given["flexibleTimeWindow"]["mode"]},
        Target={
            "Arn": target["arn"],
            "RoleArn": target["roleArn"],
            "Input": target["input"],
            "RetryPolicy": {retries[key]: int(value) for key, value in target["retryPolicy"].items()},
        },
    )
    return {}


def universal_target(aws: Emulator, arn: str) -> tuple[str, str]:
    """Return service and operation of a target `arn:aws:scheduler:::aws-sdk:service:operation`."""
    service, _, name = arn.removeprefix("arn:aws:scheduler:::aws-sdk:").partition(":")
    (operation,) = [each for each in aws.client(service).meta.service_model.operation_names
                    if each[0].lower() + each[1:] == name]  # fmt: skip
    return service, operation


def sdk_arguments(aws: Emulator, target: dict[str, Any]) -> dict[str, Any]:
    """Return the target's input in AWS's own spelling: the scheduler writes DbInstance where RDS has DBInstance."""
    service, operation = universal_target(aws, target["arn"])
    names = aws.client(service).meta.service_model.operation_model(operation).input_shape.members
    spelled = {name.replace("DBI", "DbI"): name for name in names}
    return {spelled[key]: value for key, value in json.loads(target["input"]).items()}


HANDLERS.update(
    {
        "LogGroup": log_group,
        "Topic": topic,
        "TopicPolicy": topic_policy,
        "TopicSubscription": subscription,
        "MetricAlarm": metric_alarm,
        "Dashboard": dashboard,
        "Budget": budget,
        "Schedule": schedule,
        "ScheduleGroup": schedule_group,
    }
)
