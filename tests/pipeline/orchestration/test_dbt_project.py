import json
import re
from collections import defaultdict

import dagster as dg
import yaml

from .conftest import PLACES, PROJECT, REPOSITORY

SCHEMAS = {"staging", "intermediate", "marts"}


def nodes(manifest, *kinds):
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def test_every_model_of_the_project_is_an_asset(manifest, definitions):
    """A manifest of an older project would leave a new model unbuilt."""
    graph = definitions.get_repository_def().asset_graph
    folder = PROJECT / "models"
    models = {(path.relative_to(folder).parts[0], path.stem) for path in folder.rglob("*.sql")}
    assert {(node["schema"], node["name"]) for node in nodes(manifest, "model")} == models
    assert {dg.AssetKey(list(model)) for model in models} <= graph.materializable_asset_keys


def test_schemas_have_no_prefix(manifest):
    assert {node["schema"] for node in nodes(manifest, "model", "snapshot")} == SCHEMAS


def test_every_model_says_what_it_is_and_tests_its_key(manifest):
    keys = {
        parent
        for node in nodes(manifest, "test")
        if (node.get("test_metadata") or {}).get("name") == "key"
        for parent in node["depends_on"]["nodes"]
    }
    for node in nodes(manifest, "model", "snapshot"):
        assert "rain" in node["description"] or node["schema"] == "staging", node["name"]
        assert node["description"], node["name"]
        assert node["unique_id"] in keys, f"{node['name']} has no test of its key"


def test_every_column_is_described_and_typed(manifest):
    """A column without a description has no comment in the lake; without a type, its contract is empty."""
    for node in nodes(manifest, "model"):
        assert node["columns"], node["name"]
        for column in node["columns"].values():
            assert column["description"], f"{node['name']}.{column['name']}"
            assert column["data_type"], f"{node['name']}.{column['name']}"


def test_marts_keep_their_contract_and_say_so_in_the_lake(manifest):
    """A column that changes its type or goes missing is found by whoever reads the dashboard."""
    for node in nodes(manifest, "model"):
        assert node["config"]["persist_docs"] == {"relation": True, "columns": True}, node["name"]
        assert node["config"]["contract"]["enforced"] is (node["schema"] == "marts"), node["name"]


def test_every_table_is_brought_up_to_date_by_its_key(manifest):
    """A rebuild at every run leaves a snapshot of all rows each time; a merge by hand forgets deletions."""
    for node in nodes(manifest, "model"):
        if node["config"]["materialized"] == "view":
            continue
        assert node["config"]["incremental_strategy"] == "reconcile", node["name"]
        (key,) = [
            test
            for test in nodes(manifest, "test")
            if test.get("attached_node") == node["unique_id"] and test["test_metadata"]["name"] == "key"
        ]
        wanted = node["config"]["unique_key"]
        assert key["test_metadata"]["kwargs"]["columns"] == ([wanted] if isinstance(wanted, str) else wanted)
        assert "is_incremental" not in node["raw_code"], node["name"]


def test_the_exposure_is_what_the_dashboard_reads(manifest):
    """A mart that a dashboard reads and nobody names is changed without a thought of the dashboard."""
    folder = REPOSITORY / "pipeline_code" / "dashboards" / "assets" / "datasets"
    datasets = [yaml.safe_load(path.read_text()) for path in folder.rglob("*.yaml")]
    read = {
        re.search(r"\$\{MARTS_SCHEMA\}\.(\w+)", each["sql"])[1] if each["sql"] else each["table_name"]
        for each in datasets
    }
    (exposure,) = manifest["exposures"].values()
    assert {node.split(".")[-1] for node in exposure["depends_on"]["nodes"]} == read


def test_one_definition_of_average_order_value(manifest):
    """Gross in the mart and net in the dashboard: two people with two numbers of one name."""
    dataset = REPOSITORY / "pipeline_code" / "dashboards" / "assets" / "datasets" / "lake" / "daily_orders.yaml"
    (metric,) = [
        each for each in yaml.safe_load(dataset.read_text())["metrics"] if each["metric_name"] == "order_value"
    ]
    assert metric["expression"] == "CAST(SUM(net_revenue) AS DOUBLE) / NULLIF(SUM(orders), 0)"
    (mart,) = [node for node in nodes(manifest, "model") if node["name"] == "daily_orders"]
    assert "sum(net_revenue) / count(*) as decimal(12, 2)) as average_order_value" in mart["raw_code"]
    assert mart["columns"]["average_order_value"]["description"].startswith("net_revenue ÷ orders")


def test_the_columns_that_dashboards_read_are_there(manifest):
    columns = {node["name"]: list(node["columns"]) for node in nodes(manifest, "model")}
    assert columns["daily_sales"] == [
        *("order_date", "channel", "category", "orders", "units", "gross_revenue", "refunds", "net_revenue"),
    ]
    assert columns["daily_orders"] == [
        *("order_date", "channel", "orders", "new_customer_orders", "returning_customer_orders", "returned_orders"),
        *("gross_revenue", "refunds", "net_revenue", "average_order_value"),
    ]
    assert columns["product_sales"] == [
        *("order_month", "product_id", "name", "category", "units", "gross_revenue", "refunds", "net_revenue"),
    ]
    assert columns["store_sales"] == [
        *("order_month", "store_id", "store_name", "city", "country", "orders"),
        *("gross_revenue", "refunds", "net_revenue"),
    ]
    assert columns["revenue_by_channel"] == [
        *("revenue_month", "channel", "sales", "gross_revenue", "refunds", "net_revenue", "payment_fees"),
    ]
    assert columns["payment_reconciliation"] == [
        *("order_id", "charge_id", "channel", "order_status", "order_date", "due", "refund_due", "charged", "refunded"),
        *("disputed", "fees", "received", "difference", "state"),
    ]
    assert columns["source_freshness"] == ["source", "loaded_at", "age_minutes", "state"]
    assert columns["data_quality"] == ["test", "model", "status", "failing_rows", "checked_at"]
    assert columns["customer_cohorts"] == ["cohort_month", "months_since_first", "customers", "orders", "net_revenue"]


def test_every_test_of_the_data_is_a_check_in_dagster(manifest, definitions):
    """A test that is no check runs, but nobody sees its result."""
    graph = definitions.get_repository_def().asset_graph
    checks = {key.name for key in graph.asset_check_keys}
    assert {node["name"] for node in nodes(manifest, "test")} <= checks


def test_every_source_of_dbt_is_a_stream_with_a_contract(manifest, definitions):
    """A source a system, under the keys that the graph has for the streams."""
    from headwater_dagster.defs.ingestion.streams import source_of_table

    found = {source["identifier"]: source for source in manifest["sources"].values()}
    assert {table: source["source_name"] for table, source in found.items()} == source_of_table()
    for table, source in found.items():
        assert source["meta"]["dagster"]["asset_key"] == ["raw", table]


def test_tricky_logic_has_a_unit_test(manifest):
    tested = defaultdict(list)
    for test in manifest["unit_tests"].values():
        tested[test["model"]].append(test["name"])
    tricky = {"stg_petco__orders", "stg_petco__products", "int_order_items__priced", "int_customers__history"}
    tricky |= {"fct_orders", "fct_payments"}
    tricky |= {"stg_stripe__charges", "stg_salesforce__accounts", "int_identities__resolved", "payment_reconciliation"}
    assert tricky <= set(tested)


def test_dbt_finds_all_that_the_steps_select(dbt_project, manifest, definitions, monkeypatch):
    """A name that dbt's selection does not find is a model or a test that is never built, without an error."""
    from dbt.cli.main import dbtRunner
    from headwater_dagster.dbt_groups import groups
    from headwater_dagster.defs.ingestion.streams import source_of_table

    for name, value in PLACES.items():
        monkeypatch.setenv(name, value)
    places = ["--quiet", "--project-dir", str(dbt_project), "--profiles-dir", str(dbt_project), "--no-write-json"]
    # Read once, from what the fixture's `dbt parse` left: a process for each group would read the project each time.
    project = dbtRunner().invoke(["parse", *places]).result
    found = []
    for group in groups(manifest, source_of_table()):
        command = ["ls", *places, "--output", "json", "--output-keys", "unique_id", "--select", group.select]
        command += ["--indirect-selection", "empty", "--exclude-resource-type", "unit_test"]
        done = dbtRunner(manifest=project).invoke(command)
        assert done.success, done.exception
        found += [json.loads(line)["unique_id"] for line in done.result]
    assert sorted(found) == sorted(node["unique_id"] for node in nodes(manifest, "model", "snapshot", "seed", "test"))
