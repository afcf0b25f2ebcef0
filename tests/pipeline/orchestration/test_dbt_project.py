import json
from collections import defaultdict

import dagster as dg

from .conftest import PLACES, PROJECT

SCHEMAS = {"staging", "intermediate", "marts", "snapshots"}


def nodes(manifest, *kinds):
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def test_every_model_of_the_project_is_an_asset(manifest, definitions):
    """A manifest of an older project would leave a new model unbuilt."""
    graph = definitions.get_repository_def().asset_graph
    models = {(path.parent.name, path.stem) for path in (PROJECT / "models").rglob("*.sql")}
    assert {(node["schema"], node["name"]) for node in nodes(manifest, "model")} == models
    assert {dg.AssetKey(list(model)) for model in models} <= graph.materializable_asset_keys
    assert dg.AssetKey(["snapshots", "customers_history"]) in graph.materializable_asset_keys


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


def test_every_column_of_a_mart_is_described(manifest):
    for node in nodes(manifest, "model"):
        assert all(column["description"] for column in node["columns"].values()), node["name"]
        if node["schema"] == "marts":
            assert node["columns"], node["name"]


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


def test_streams_that_change_daily_are_watched(manifest):
    sources = {source["name"]: source for source in manifest["sources"].values()}
    for name in ("customers", "orders", "order_items", "stripe_charges", "stripe_balance_transactions"):
        assert sources[name]["loaded_at_field"] == "_loaded_at"
        assert sources[name]["freshness"]["error_after"]["count"] == 24


def test_tricky_logic_has_a_unit_test(manifest):
    tested = defaultdict(list)
    for test in manifest["unit_tests"].values():
        tested[test["model"]].append(test["name"])
    tricky = {"stg_petco__orders", "stg_petco__products", "int_order_items__priced", "fct_orders"}
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
