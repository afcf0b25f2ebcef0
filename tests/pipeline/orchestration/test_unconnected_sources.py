"""Sources that the stack does not read: what Dagster then has of them, and of the models that need them."""

import json
import os
import subprocess
import sys

import pytest

SHOW = """
import json
from headwater_dagster.definitions import defs

repository = defs.get_repository_def()
graph = repository.asset_graph
print(json.dumps({
    "steps": sorted(node.name for node in defs.resolve_job_def("petco_pipeline").nodes),
    "assets": sorted("/".join(key.path) for key in graph.materializable_asset_keys),
    "named": sorted("/".join(key.path) for key in graph.get_all_asset_keys()),
    "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
}))
"""
NEEDS_ALL = {"marts/dim_parties", "marts/revenue_by_channel"}


@pytest.fixture(scope="module")
def loaded(dbt_project):
    """Return a function that gives what a code location has with these names in its environment."""

    def load(names):
        environment = {name: value for name, value in os.environ.items() if name != "METRICS_NAMESPACE"}
        environment |= {"DBT_PROJECT_DIR": str(dbt_project), "HEADWATER_UNCONNECTED_SOURCES": names}
        argv = [sys.executable, "-W", "ignore", "-c", SHOW]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return load


@pytest.fixture(scope="module")
def without_stripe(loaded):
    return loaded("stripe")


def test_a_source_that_is_not_connected_has_no_step(without_stripe):
    """Its Job has no credential: each run of the pipeline would fail at it, and ring the alarm on failed runs."""
    steps = set(without_stripe["steps"])
    assert not [step for step in steps if "stripe" in step]
    assert {"ingest_shop", "ingest_salesforce", "shop_streams_have_rows", "build_shop", "build_salesforce"} <= steps


def test_models_of_a_source_that_is_not_connected_are_left_out(without_stripe):
    """Its raw tables are not there: dbt would fail at them, and the marts of the shop be looked for in the errors."""
    assets = set(without_stripe["assets"])
    assert not assets & (NEEDS_ALL | {"marts/fct_payments", "marts/payment_reconciliation"})
    assert {"marts/fct_orders", "marts/daily_sales", "marts/fct_wholesale", "marts/data_quality"} <= assets


def test_nothing_that_is_left_reads_a_source_that_is_not_connected(without_stripe):
    """A model, or a test of it, that still reads a table which does not exist."""
    named = without_stripe["named"]
    assert not [key for key in named if key.startswith(("raw/stripe", "staging/stg_stripe", "stripe/"))]


def test_without_any_source_the_pipeline_still_runs(loaded):
    """A stack as committed for prod, before somebody names a source: a code location that does not load."""
    found = loaded("salesforce shop stripe")
    assert (found["steps"], found["assets"]) == (["build_models"], ["marts/data_quality", "marts/source_freshness"])
    assert found["sensors"] == []


@pytest.mark.parametrize("names", ["", "taken_away"])
def test_a_name_without_contracts_leaves_everything(loaded, names):
    """The folder of the contracts was taken away too, as it could be before there was a setting."""
    found = loaded(names)
    assert {"ingest_salesforce", "ingest_shop", "ingest_stripe"} <= set(found["steps"])
    assert set(found["assets"]) >= NEEDS_ALL
    assert found["sensors"] == ["shop_has_new_rows"]


def test_jobs_of_all_sources_stay_known(definitions, monkeypatch):
    """A source's last Job may run when it is disconnected: taken for nobody's, the other sources would wait for it."""
    from headwater_dagster.defs.ingestion.loads import Load
    from headwater_dagster.defs.ingestion.streams import connected, sources

    monkeypatch.setenv("HEADWATER_UNCONNECTED_SOURCES", "salesforce  stripe")
    (shop,) = connected()
    assert shop.name == "shop"
    assert Load(shop, shop.streams, None).rivals("ingestion").endswith("notin (salesforce,stripe)")
    assert len(sources()) == 3
