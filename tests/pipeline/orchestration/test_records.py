"""What Dagster writes down beside the marts, over its own instance and a query that may fail."""

import datetime as dt

import dagster as dg
import pytest

AT = dt.datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=dt.UTC)
NODES = {
    "test.headwater.key.1": {"name": "key", "attached_node": "model.headwater.fct_orders", "depends_on": {"nodes": []}},
    "test.headwater.it's.2": {"name": "it's", "depends_on": {"nodes": ["model.headwater.daily_sales"]}},
}
RESULTS = {
    "metadata": {"invocation_id": "i1", "invocation_started_at": AT.isoformat()},
    "results": [
        {"unique_id": "model.headwater.fct_orders", "status": "success", "failures": None},
        {"unique_id": "test.headwater.key.1", "status": "pass", "failures": 0},
        {"unique_id": "test.headwater.it's.2", "status": "error", "failures": None},
    ],
}


@pytest.fixture
def records(definitions):
    from headwater_dagster.defs.transformation import records

    return records


def test_the_outcome_of_each_test_is_written_down(records):
    (statement,) = records.outcome_statements(RESULTS, NODES)
    at = "timestamp '2026-03-01 12:00:00.000005 UTC'"
    assert statement == (
        f"insert into marts.test_results values ({at}, 'i1', 'fct_orders', 'key', 'pass', bigint '0'),"
        f" ({at}, 'i1', 'daily_sales', 'it''s', 'error', cast(null as bigint))"
    )


def test_a_build_without_tests_writes_nothing(records):
    assert records.outcome_statements({**RESULTS, "results": RESULTS["results"][:1]}, NODES) == ()


def test_a_record_that_can_not_be_written_fails_no_build(records):
    """Two builds that end together meet in a commit: all models are built, all tests passed, and the run is red."""
    said, warned = [], []

    def query(statement):
        said.append(statement)
        if len(said) == 1:
            raise RuntimeError("ICEBERG_COMMIT_ERROR: another was faster")

    records.record(
        query, ["insert into marts.test_results values (1)", "delete from marts.stream_loads"], warned.append
    )
    assert len(said) == 2
    (warning,) = warned
    assert warning.startswith("not recorded (insert into marts.test_results")
    assert "another was faster" in warning


def test_a_load_without_rows_counts_as_a_load(records):
    """A quiet source is called stale where its newest row is asked: a load that finds nothing makes no commit."""
    from headwater_dagster.defs.ingestion.streams import raw_key, sources

    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(raw_key("orders")))
        (shop,) = [source for source in sources() if source.name == "shop"]
        loads = {load.stream: load for load in records.last_loads(instance, [shop])}
    assert set(loads) == {"customers", "order_items", "orders", "products", "stores"}
    assert abs(loads["orders"].at - dt.datetime.now(dt.UTC).timestamp()) < 60
    assert loads["stores"].at is None
    assert (loads["orders"].warn, loads["orders"].fail) == (120, 1440), "the contract's limits, in minutes"


def test_loads_are_one_row_a_stream(records):
    load = records.Load("crm", "crm_deals", AT.timestamp(), None, 60)
    merge, delete = records.load_statements([load])
    assert (
        "('crm', 'crm_deals', timestamp '2026-03-01 12:00:00.000005 UTC', cast(null as bigint), bigint '60')" in merge
    )
    assert "on known.stream = told.stream" in merge
    assert delete == "delete from marts.stream_loads where stream not in ('crm_deals')"
    assert records.load_statements([]) == ()
