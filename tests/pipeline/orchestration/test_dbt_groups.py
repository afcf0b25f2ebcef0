"""Which models wait for which sources, on a manifest small enough to see."""

from headwater_dagster.dbt_groups import groups

TABLES = {"orders": "shop", "stripe_charges": "stripe"}


def node(kind, name, *reads, **more):
    fixed = {"resource_type": kind, "fqn": ["headwater", name], "relation_name": name}
    return {**fixed, "depends_on": {"nodes": list(reads)}, **more}


def manifest(**tests):
    models = {
        "stg_orders": node("model", "stg_orders", "source.headwater.raw.orders"),
        "fct_orders": node("model", "fct_orders", "model.headwater.stg_orders"),
        "stg_charges": node("model", "stg_charges", "source.headwater.raw.stripe_charges"),
        "fct_payments": node("model", "fct_payments", "model.headwater.stg_charges", "model.headwater.fct_orders"),
    }
    return {
        "nodes": {f"model.headwater.{name}": each for name, each in models.items()} | tests,
        "sources": {
            f"source.headwater.raw.{name}": node("source", name) | {"name": name, "source_name": "raw"}
            for name in ("orders", "stripe_charges")
        },
    }


def selected(**tests):
    return {group.name: group.select for group in groups(manifest(**tests), TABLES)}


def test_a_source_that_fails_holds_up_only_what_is_made_of_it():
    assert selected() == {
        "build_shop": "fqn:headwater.fct_orders fqn:headwater.stg_orders",
        "build_stripe": "fqn:headwater.stg_charges",
        "build_shop_stripe": "fqn:headwater.fct_payments",
    }


def test_a_model_waits_for_what_its_tests_read():
    """Checked against a model that is not built yet, it would fail for yesterday's rows."""
    test = node("test", "t", "model.headwater.stg_orders", "model.headwater.stg_charges")
    found = selected(t=test | {"attached_node": "model.headwater.stg_orders"})
    assert found == {
        "build_stripe": "fqn:headwater.stg_charges",
        "build_shop_stripe": "fqn:headwater.fct_orders fqn:headwater.fct_payments fqn:headwater.stg_orders"
        " fqn:headwater.t",
    }


def test_two_sources_may_call_a_table_the_same():
    """Models of an added source that has `orders` too would wait for the shop, and be held up by it."""
    known = manifest()
    known["nodes"] = {"model.headwater.stg_crm": node("model", "stg_crm", "source.headwater.crm.orders")}
    named = {"name": "orders", "identifier": "crm_orders", "source_name": "crm"}
    known["sources"]["source.headwater.crm.orders"] = node("source", "crm_orders") | named
    assert [group.name for group in groups(known, {**TABLES, "crm_orders": "crm"})] == ["build_crm"]
