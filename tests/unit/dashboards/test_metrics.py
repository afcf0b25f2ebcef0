"""One definition of each metric: dbt's, Superset's and the documentation's are the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.unit.dashboards.assets import CHARTS, DATASETS, MODELS, ROOT, dataset_of

MART_OF = {"customer_retention": "customer_cohorts"}
"""Datasets that are queries on a mart of another name."""
METRICS_OF_A_CHART = ("metric", "metrics", "metrics_b", "timeseries_limit_metric", "x_axis_sort")


def mart(dataset: dict[str, Any]) -> str:
    name: str = dataset["table_name"]
    return MART_OF.get(name, name)


def definitions(dataset: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """A dataset's metrics: name → label, description, expression."""
    return {
        metric["metric_name"]: (metric["verbose_name"], metric["description"], metric["expression"])
        for metric in dataset["metrics"]
    }


def used(params: dict[str, Any]) -> Iterator[Any]:
    """The metrics of a chart: names of its dataset's, or expressions of its own."""
    for key in METRICS_OF_A_CHART:
        value = params.get(key, [])
        yield from value if isinstance(value, list) else [value]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda each: each["table_name"])
def test_superset_and_dbt_define_the_same_metrics(dataset: dict[str, Any]) -> None:
    """A metric that was corrected in one of them only."""
    (model,) = yaml.safe_load((MODELS / f"{mart(dataset)}.yml").read_text())["models"]
    there = {
        name: (each["label"], each["description"], each["expression"])
        for name, each in model["config"]["meta"]["metrics"].items()
    }
    assert definitions(dataset) == there


def test_a_metric_means_the_same_wherever_it_is() -> None:
    """Two charts with the same word and different numbers."""
    by_name, by_label = defaultdict(set), defaultdict(set)
    for dataset in DATASETS.values():
        for metric in dataset["metrics"]:
            money = (metric["currency"] or {}).get("symbol")
            format_of_it = metric["d3format"], money
            by_name[metric["metric_name"]].add((definitions(dataset)[metric["metric_name"]], format_of_it))
            by_label[metric["verbose_name"]].add(metric["metric_name"])
    assert {name: found for name, found in by_name.items() if len(found) > 1} == {}
    assert {label: found for label, found in by_label.items() if len(found) > 1} == {}


def test_the_documentation_has_each_metric_as_it_is() -> None:
    """A page that explains another number than the one that is shown."""
    section = (ROOT / "docs" / "example.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    documented = {
        (label, description, expression, name)
        for label, description, expression, names in re.findall(
            r"^\| ([^|]+) \| ([^|]+) \| `([^|]+)` \| ([^|]+) \|$", section, re.M
        )
        for name in re.findall(r"`(\w+)`", names)
    }
    shown = {(*each, mart(dataset)) for dataset in DATASETS.values() for each in definitions(dataset).values()}
    assert documented == shown


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_charts_use_the_metrics_of_their_dataset(chart: dict[str, Any]) -> None:
    """A chart with an expression of its own, which nobody corrects with the others."""
    known = definitions(dataset_of(chart))
    expressions = {expression for _, _, expression in known.values()}
    unknown = [
        each
        for each in used(chart["params"])
        if (each not in known if isinstance(each, str) else each["sqlExpression"] not in expressions)
    ]
    assert unknown == []


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda each: each["table_name"])
def test_datasets_and_metrics_are_described_and_certified(dataset: dict[str, Any]) -> None:
    """A reader who can't tell a number that somebody vouches for from a colleague's try."""
    for each in (dataset, *dataset["metrics"]):
        assert each["description"], each
        assert each["extra"]["certification"]["certified_by"] == "Headwater", each
        assert f"marts.{mart(dataset)}," in each["extra"]["certification"]["details"], each
