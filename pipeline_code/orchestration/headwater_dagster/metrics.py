"""The metrics that the pipeline sends to CloudWatch: names, units and dimensions, and the call that publishes them."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Names that alarms and dashboard of the stack use too: components/aws/alarms.py. A test compares the two.
RUNS_FAILED = "RunsFailed"
RUNS_SUCCEEDED = "RunsSucceeded"
MART_AGE = "SecondsSinceBuilt"
OLDEST_MART_AGE = "OldestMartSeconds"
STREAM_AGE = "SecondsSinceLoaded"
NEWEST_ROW_AGE = "NewestRowSeconds"
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
MOST_IN_ONE_CALL = 1000


@dataclass(frozen=True)
class Facts:
    """What is known of the pipeline at one moment. Ages are seconds, by mart or by stream.

    runs_failed, runs_succeeded: since the last look. stream_ages: since the stream was last loaded, with or without
    rows. newest_rows: since the newest row of the stream was loaded; streams of which nothing says so are left out.
    """

    runs_failed: int
    runs_succeeded: int
    mart_ages: Mapping[str, float] = field(default_factory=dict)
    stream_ages: Mapping[str, float] = field(default_factory=dict)
    newest_rows: Mapping[str, float] = field(default_factory=dict)


def metric_data(facts: Facts, at: dt.datetime) -> list[dict[str, Any]]:
    """Return the facts in the shape of PutMetricData.

    What an alarm watches has no dimension: one alarm then holds for every mart, those of tomorrow too.
    """

    def datum(name: str, value: float, unit: str, **dimensions: str) -> dict[str, Any]:
        named = [{"Name": key, "Value": text} for key, text in dimensions.items()]
        return {"MetricName": name, "Dimensions": named, "Timestamp": at, "Value": float(value), "Unit": unit}

    data = [
        datum(RUNS_FAILED, facts.runs_failed, "Count"),
        datum(RUNS_SUCCEEDED, facts.runs_succeeded, "Count"),
        *(datum(MART_AGE, age, "Seconds", Mart=mart) for mart, age in facts.mart_ages.items()),
        *(datum(STREAM_AGE, age, "Seconds", Stream=stream) for stream, age in facts.stream_ages.items()),
        *(datum(NEWEST_ROW_AGE, age, "Seconds", Stream=stream) for stream, age in facts.newest_rows.items()),
    ]
    if facts.mart_ages:
        data.append(datum(OLDEST_MART_AGE, max(facts.mart_ages.values()), "Seconds"))
    return data


def publish(namespace: str, facts: Facts, at: dt.datetime) -> int:
    """Send the facts to CloudWatch as the pod's own identity; return the number of values."""
    import boto3

    data = metric_data(facts, at)
    client = boto3.client("cloudwatch")
    for part in _parts(data):
        client.put_metric_data(Namespace=namespace, MetricData=part)
    return len(data)


def _parts(data: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(data), MOST_IN_ONE_CALL):
        yield data[start : start + MOST_IN_ONE_CALL]
