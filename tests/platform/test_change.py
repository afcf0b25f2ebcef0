"""A change in the shop reaches the marts after one run of the pipeline, and nothing else moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .commands import headwater
from .endpoints import Dagster
from .test_data import LINE, RETURNED, rows
from .test_resilience import wait_for

NEW_ORDER = """
with o as (
    insert into shop.orders (order_id, customer_id, store_id, channel, status, currency, shipping_fee,
                             ordered_at, updated_at)
    select nextval(pg_get_serial_sequence('shop.orders', 'order_id')), min(customer_id), null, 'web', 'paid', 'EUR', 0,
           now(), now() from shop.customers
    returning order_id)
insert into shop.order_items (order_item_id, order_id, product_id, quantity, unit_price, discount_amount,
                              returned_quantity, updated_at)
select nextval(pg_get_serial_sequence('shop.order_items', 'order_item_id')), o.order_id,
       (select min(product_id) from shop.products), 3, 19.99, 1.98, 0, now()
from o returning order_id
"""


NET_REVENUE = f"""
select sum({LINE}) - sum({RETURNED}) from shop.orders o join shop.order_items i using (order_id)
where o.status <> 'cancelled'
"""


CONDUCTORS = ("app.kubernetes.io/name=dagster-daemon", "app.kubernetes.io/name=dagster-webserver")


def loading(kubectl: Callable[..., Any], run_id: str) -> None:
    """Raise AssertionError unless a Job of this run loads the shop now."""
    jobs = kubectl("get", "jobs", "-n", "headwater", "-l", f"headwater/run-id={run_id},headwater/source=shop")["items"]
    assert [job for job in jobs if job["status"].get("active")], f"no Job of run {run_id} loads the shop"


def test_new_orders_reach_daily_sales_after_one_run(
    shop_owner: Any, trino: Any, dagster: Dagster, run_pipeline: Callable[[], dict[str, Any]]
) -> None:
    """An incremental model that misses fresh rows, or an ingestion run that reloads the whole table."""
    loaded, newest, loads = rows(
        trino,
        'select count(*), max(updated_at), (select count(*) from raw."orders$snapshots") from raw.orders',
    )[0]

    headwater("shop", "--orders", "20")
    order_id = rows(shop_owner, NEW_ORDER)[0][0]
    shop_owner.commit()
    cursor = shop_owner.cursor()
    cursor.execute("select count(*) from shop.orders where updated_at > %s - interval '1 minute'", (newest,))
    ((changed,),) = cursor.fetchall()
    assert dagster.built(run_pipeline()["runId"])["marts/fct_orders"]

    assert rows(trino, f"select items, net_revenue from marts.fct_orders where order_id = {order_id}") == [
        (1, Decimal("57.99"))
    ]
    assert rows(trino, "select sum(net_revenue) from marts.daily_sales") == rows(shop_owner, NET_REVENUE)
    moved = rows(trino, "select count(*) from raw.orders")[0][0] - loaded
    assert 21 <= moved <= changed, f"{moved} rows of orders moved for 21 new orders"
    assert rows(trino, 'select count(*) from raw."orders$snapshots"')[0][0] - loads == 1, "one load is one commit"

    today = dt.datetime.now(dt.UTC).date()
    again = dagster.built(run_pipeline()["runId"])
    if dt.datetime.now(dt.UTC).date() != today:  # each model is built once a day
        again = dagster.built(run_pipeline()["runId"])
    assert again.keys() >= {"marts/fct_orders", "marts/fct_payments"}, "a model that is not shown as up to date"
    assert not [model for model, was_built in again.items() if was_built], "built again, though nothing is new"


def test_a_run_whose_pod_is_killed_still_replaces_a_changed_order(
    shop_owner: Any, trino: Any, dagster: Dagster, kubectl: Callable[..., Any]
) -> None:
    """A merge that appends: a returned order would count twice, once sold and once returned.

    Whatever conducts the run dies while it loads: the run would end for ever, or load twice.
    """
    order_id, lines = rows(
        shop_owner,
        "select o.order_id, count(*) from shop.orders o join shop.order_items i using (order_id) "
        "where o.status = 'delivered' group by 1 order by 1 limit 1",
    )[0]
    before = rows(trino, "select count(*), count(distinct order_id) from marts.fct_orders")[0]
    cursor = shop_owner.cursor()
    cursor.execute("update shop.orders set status = 'returned', updated_at = now() where order_id = %s", (order_id,))
    cursor.execute(
        "update shop.order_items set returned_quantity = quantity, updated_at = now() where order_id = %s", (order_id,)
    )
    shop_owner.commit()
    run_id = dagster.launch("petco_pipeline")
    wait_for(lambda: loading(kubectl, run_id), 300)
    for labels in (f"dagster/run-id={run_id}", *CONDUCTORS):
        kubectl("delete", "pods", "-n", "headwater", "-l", labels, "--grace-period=0", "--force", output="")
    again = wait_for(lambda: dagster.retry_of(run_id), 300)
    dagster.wait(again)

    assert rows(trino, "select count(*), count(distinct order_id) from marts.fct_orders")[0] == before
    assert rows(trino, f"select status, items, net_revenue from marts.fct_orders where order_id = {order_id}") == [
        ("returned", lines, Decimal("0.00"))
    ]
