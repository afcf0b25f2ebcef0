"""The dashboard's layout and filters: what Superset would show half, in the wrong place, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.dashboards.assets import CHARTS, DASHBOARD, DATASETS, dataset_of

POSITION: dict[str, Any] = {key: node for key, node in DASHBOARD["position"].items() if isinstance(node, dict)}
FILTERS = {each["name"]: each for each in DASHBOARD["metadata"]["native_filter_configuration"]}
BY_UUID = {chart["uuid"]: chart for chart in CHARTS.values()}
PLACED = [node["meta"] for node in POSITION.values() if node["type"] == "CHART"]
ROWS = [node for node in POSITION.values() if node["type"] == "ROW"]
COLUMNS = 12
"""Of Superset's grid."""


def in_scope(chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """The charts that a filter applies to."""
    return [BY_UUID[meta["uuid"]] for meta in PLACED if meta["chartId"] not in chosen["scope"]["excluded"]]


def test_every_chart_is_on_the_dashboard_once_under_its_name() -> None:
    """A chart that nobody sees, or two places that Superset's importer takes for one."""
    assert sorted(meta["uuid"] for meta in PLACED) == sorted(BY_UUID)
    assert len({meta["chartId"] for meta in PLACED}) == len(PLACED)
    assert [meta["sliceName"] for meta in PLACED] == [BY_UUID[meta["uuid"]]["slice_name"] for meta in PLACED]


def test_the_layout_is_one_tree() -> None:
    """A row that belongs to no tab is not shown, and Superset says nothing."""
    reached, parents = ["ROOT_ID"], {"ROOT_ID": []}
    for key in reached:
        for child in POSITION[key]["children"]:
            reached.append(child)
            parents[child] = [*parents[key], key]
    assert set(POSITION) - set(reached) == {"GRID_ID", "HEADER_ID"}
    assert {key: POSITION[key].get("parents", []) for key in reached} == parents


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["id"]))
def test_rows_are_full_and_even(row: dict[str, Any]) -> None:
    """A gap beside a chart, or under the lower one of a row."""
    cells = [POSITION[child]["meta"] for child in row["children"]]
    assert sum(cell["width"] for cell in cells) == COLUMNS
    assert len({cell["height"] for cell in cells}) == 1


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_charts_are_described_and_certified(chart: dict[str, Any]) -> None:
    """A chart whose readers have to ask what it shows."""
    assert chart["description"]
    assert chart["certified_by"] == "Headwater"


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
def test_a_filter_applies_to_charts_that_have_its_column(chosen: dict[str, Any]) -> None:
    """A filter that fails the charts of another mart, or that changes nothing and does not say so."""
    assert chosen["description"]
    charts = in_scope(chosen)
    assert charts
    (target,) = chosen["targets"]
    if column := target.get("column", {}).get("name"):
        lacking = [
            chart["slice_name"]
            for chart in charts
            if column not in {each["column_name"] for each in dataset_of(chart)["columns"]}
        ]
        assert lacking == []
        assert column in {each["column_name"] for each in DATASETS[target["datasetUuid"]]["columns"]}
    if chosen["filterType"] == "filter_timegrain":
        assert [chart["slice_name"] for chart in charts if "time_grain_sqla" not in chart["params"]] == []


def test_readers_can_filter_by_what_they_ask_for() -> None:
    """A dashboard of shops without a choice of the shop."""
    assert set(FILTERS) == {"Time", "Time grain", "Channel", "Category", "Country", "Store"}


def test_it_opens_with_whole_months() -> None:
    """Totals of days beside totals of months: a default range that begins within a month makes the two disagree."""
    begin, end = FILTERS["Time"]["defaultDataMask"]["extraFormData"]["time_range"].split(" : ")
    assert begin.startswith("DATETRUNC(")
    assert begin.endswith(", MONTH)")
    assert end == "DATEADD(DATETIME('today'), 1, DAY)", "today's orders are left out"
