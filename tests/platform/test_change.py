"""A change in the shop reaches the marts after one run of the pipeline, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .test_data import rows

NEW_ORDER = """
with o as (
    insert into shop.orders (order_id, customer_id, store_id, channel, status, currency, shipping_fee,
                             ordered_at, updated_at)
    select max(order_id) + 1, min(customer_id), null, 'web', 'paid', 'EUR', 0, now(), now() from shop.orders
    returning order_id)
insert into shop.order_items (order_item_id, order_id, product_id, quantity, unit_price, discount_amount,
                              returned_quantity, updated_at)
select (select max(order_item_id) + 1 from shop.order_items), o.order_id,
       (select min(product_id) from shop.products), 3, 19.99, 1.98, 0, now()
from o returning order_id
"""


def test_a_new_order_reaches_daily_sales_after_one_run(
    shop_owner: Any, trino: Any, run_pipeline: Callable[[], dict[str, Any]]
) -> None:
    """An incremental model that misses fresh rows, or an ingestion run that reloads the whole table."""
    revenue = "select coalesce(sum(net_revenue), 0) from marts.daily_sales"
    before = Decimal(str(rows(trino, revenue)[0][0]))
    versions = rows(trino, "select count(*) from raw.orders")[0][0]
    loads = rows(trino, 'select count(*) from raw."orders$snapshots"')[0][0]
    changed = rows(shop_owner, "select count(*) from shop.orders where updated_at > now() - interval '1 minute'")[0][0]

    order_id = rows(shop_owner, NEW_ORDER)[0][0]
    shop_owner.commit()
    run_pipeline()

    assert Decimal(str(rows(trino, revenue)[0][0])) - before == Decimal("57.99")
    assert rows(trino, f"select items, net_revenue from marts.fct_orders where order_id = {order_id}") == [
        (1, Decimal("57.99"))
    ]
    moved = rows(trino, "select count(*) from raw.orders")[0][0] - versions
    assert 1 <= moved <= 1 + changed, f"{moved} rows of orders moved for one new order"
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
