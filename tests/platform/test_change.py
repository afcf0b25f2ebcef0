"""A change in the shop reaches the marts after one run of the pipeline, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .commands import headwater
from .test_data import LINE, RETURNED, rows

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


def test_new_orders_reach_daily_sales_after_one_run(
    shop_owner: Any, trino: Any, run_pipeline: Callable[[], dict[str, Any]]
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
    run_pipeline()

    assert rows(trino, f"select items, net_revenue from marts.fct_orders where order_id = {order_id}") == [
        (1, Decimal("57.99"))
    ]
    assert rows(trino, "select sum(net_revenue) from marts.daily_sales") == rows(shop_owner, NET_REVENUE)
    moved = rows(trino, "select count(*) from raw.orders")[0][0] - loaded
    assert 21 <= moved <= changed, f"{moved} rows of orders moved for 21 new orders"
    assert rows(trino, 'select count(*) from raw."orders$snapshots"')[0][0] - loads == 1, "one load is one commit"


def test_a_changed_order_replaces_its_old_version(
    shop_owner: Any, trino: Any, run_pipeline: Callable[[], dict[str, Any]]
) -> None:
    """A merge that appends: a returned order would count twice, once sold and once returned."""
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
    run_pipeline()

    assert rows(trino, "select count(*), count(distinct order_id) from marts.fct_orders")[0] == before
    assert rows(trino, f"select status, items, net_revenue from marts.fct_orders where order_id = {order_id}") == [
        ("returned", lines, Decimal("0.00"))
    ]
