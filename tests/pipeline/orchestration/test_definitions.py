import datetime as dt

import dagster as dg
import pytest

from .conftest import REPOSITORY

STREAMS = {"customers", "products", "stores", "orders", "order_items"}
SOURCES = ("salesforce", "shop", "stripe")
MARTS = {
    "fct_orders",
    "dim_customers",
    "dim_products",
    "dim_stores",
    "daily_sales",
    "daily_orders",
    "product_sales",
    "store_sales",
    "customer_cohorts",
    "data_quality",
    "dim_parties",
    "fct_payments",
    "fct_wholesale",
    "payment_reconciliation",
    "revenue_by_channel",
    "source_freshness",
}


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.get_repository_def().asset_graph


def ancestors(graph, key):
    found, todo = set(), [key]
    while todo:
        for parent in graph.get(todo.pop()).parent_keys - found:
            found.add(parent)
            todo.append(parent)
    return found


def test_the_marts_that_dashboards_read_are_assets(graph):
    marts = {key.path[1] for key in graph.materializable_asset_keys if key.path[0] == "marts"}
    assert marts == MARTS


# These two are views on what Dagster wrote down of its runs.
@pytest.mark.parametrize("mart", sorted(MARTS - {"data_quality", "source_freshness"}))
def test_no_mart_is_cut_off_from_the_sources(graph, mart):
    above = ancestors(graph, dg.AssetKey(["marts", mart]))
    assert any(key.path[0] == "raw" for key in above)
    assert any(key.path[0] in SOURCES for key in above)


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_no_stream_is_loaded_for_nothing(graph, stream):
    node = graph.get(dg.AssetKey(["raw", stream]))
    assert node.is_materializable
    assert {child.path[0] for child in node.child_keys} == {"staging"}
    assert node.parent_keys == {dg.AssetKey(["shop", stream])}


def test_the_groups_are_the_domains(graph):
    """A page of sixty boxes, or of layers that say how a table is made and not what it is about."""
    groups = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add("/".join(key.path))
    assert set(groups) == {*SOURCES, "sales", "payments", "customers", "quality", "dashboards"}
    assert {"shop/orders", "raw/orders", "staging/stg_petco__orders"} <= groups["shop"]
    assert {"marts/fct_orders", "intermediate/int_order_items__priced"} <= groups["sales"]


def test_everything_has_an_owner(graph):
    """A mart is wrong, and nobody knows whom to ask."""
    assert [key for key in graph.get_all_asset_keys() if key.path[0] != "staging" and not graph.get(key).owners] == []
    assert graph.get(dg.AssetKey(["raw", "stripe_charges"])).owners == ["finance@petco.example"]


def test_tables_show_their_columns(graph):
    for key in graph.materializable_asset_keys:
        metadata = graph.get(key).metadata
        assert metadata["dagster/table_name"].startswith(("lake.raw.", '"lake".', "lake.")), key
        assert metadata["dagster/column_schema"].columns, key
    amount = next(
        column
        for column in graph.get(dg.AssetKey(["raw", "orders"])).metadata["dagster/column_schema"].columns
        if column.name == "shipping_fee"
    )
    assert (amount.type, amount.constraints.nullable) == ("numeric(12,2)", False)


@pytest.mark.parametrize("mart", ["fct_orders", "payment_reconciliation", "revenue_by_channel"])
def test_a_mart_has_to_be_as_fresh_as_its_sources(graph, mart):
    """Loads that succeed beside builds that fail: the dashboard is old, and everything is green."""
    policy = graph.get(dg.AssetKey(["marts", mart])).freshness_policy
    assert (policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()) == (
        dt.timedelta(hours=2),
        dt.timedelta(hours=24),
    )


def test_the_dashboard_ends_the_lineage(graph):
    above = ancestors(graph, dg.AssetKey(["dashboards", "petco_executive_overview"]))
    assert {key.path[1] for key in above if key.path[0] == "shop"} == STREAMS - {"customers"}


def test_the_pipeline_leaves_no_asset_and_no_check_out(definitions, graph):
    job = definitions.resolve_job_def("petco_pipeline")
    assert job.asset_layer.selected_asset_keys == graph.materializable_asset_keys
    assert set(job.asset_layer.asset_graph.asset_check_keys) == graph.asset_check_keys


def test_a_run_stays_in_one_process(definitions):
    """The multiprocess executor imports everything again for every step."""
    assert definitions.resolve_job_def("petco_pipeline").executor_def.name == "in_process"


def test_ingestion_and_dbt_are_tried_again(definitions):
    job = definitions.resolve_job_def("petco_pipeline")
    policies = {node.name: node.definition.retry_policy for node in job.nodes}
    steps = [name for name in policies if name.startswith("build_")]
    steps += [name for source in SOURCES for name in (f"ingest_{source}", f"{source}_streams_have_rows")]
    assert "build_shop" in steps
    for name in steps:
        assert policies[name].max_retries >= 1
        assert policies[name].backoff is dg.Backoff.EXPONENTIAL


def test_models_wait_for_the_check_of_the_raw_streams(graph):
    for stream in STREAMS:
        assert graph.get(dg.AssetCheckKey(dg.AssetKey(["raw", stream]), "has_rows")).blocking


def test_every_stream_with_a_contract_is_an_asset_of_its_source(definitions, graph):
    """A contract that no step carries is a stream that nobody loads; in a wrong step it fails with another source."""
    steps = {
        (node.name.removeprefix("ingest_"), key.path[-1])
        for node in definitions.resolve_job_def("petco_pipeline").nodes
        if node.name.startswith("ingest_")
        for key in definitions.get_repository_def().assets_defs_by_key
        if key.path[0] == "raw" and definitions.get_assets_def(key).node_def.name == node.name
    }
    contracts = (REPOSITORY / "pipeline_code" / "ingestion" / "contracts").glob("*/[!_]*.yml")
    assert steps == {(path.parent.name, path.stem) for path in contracts}
    assert graph.get(dg.AssetKey(["raw", "stripe_charges"])).parent_keys == {dg.AssetKey(["stripe", "charges"])}


def test_nothing_starts_by_itself(definitions):
    """A new platform must not begin to load a database before its owner says so."""
    repository = definitions.get_repository_def()
    schedule = repository.get_schedule_def("every_15_minutes")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "*/15 * * * *"
    sensor = repository.get_sensor_def("shop_has_new_rows")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
