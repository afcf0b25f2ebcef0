"""What the lake says equals what the shop says, to the row and to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

STREAMS = {
    "customers": "customer_id",
    "products": "product_id",
    "stores": "store_id",
    "orders": "order_id",
    "order_items": "order_item_id",
}

LINE = "i.quantity * i.unit_price - i.discount_amount"
RETURNED = f"case when i.returned_quantity > 0 then {LINE} else 0 end"


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """All rows of one statement on a DB-API connection."""
    cursor = connection.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def money(found: list[tuple[Any, ...]], keys: int) -> dict[tuple[Any, ...], tuple[Decimal, ...]]:
    """Rows as {first `keys` columns: the other columns as exact decimals}."""
    return {row[:keys]: tuple(Decimal(str(value)) for value in row[keys:]) for row in found}


@pytest.mark.parametrize(("stream", "key"), STREAMS.items())
def test_every_source_row_is_in_the_lake_once(shop: Any, trino: Any, stream: str, key: str) -> None:
    """A lost batch or a doubled load: the staging layer would not hold the source's keys exactly once."""
    source = rows(shop, f"select count(*), sum({key}), max({key}) from shop.{stream}")
    staged = rows(trino, f"select count(*), sum({key}), max({key}) from staging.stg_petco__{stream}")
    distinct = rows(trino, f"select count(distinct {key}) from raw.{stream}")
    assert [int(v) for v in staged[0]] == [int(v) for v in source[0]]
    assert distinct[0][0] == source[0][0]


def test_revenue_by_month_and_category_equals_the_source(shop: Any, trino: Any) -> None:
    """Wrong joins, float arithmetic or time zones: a month or a category would be off by some cents."""
    source = money(
        rows(
            shop,
            f"""
            select to_char(o.ordered_at at time zone 'UTC', 'YYYY-MM'), p.category, sum(i.quantity),
                   sum({LINE}), sum({RETURNED}), sum({LINE}) - sum({RETURNED})
            from shop.orders o
            join shop.order_items i using (order_id)
            join shop.products p using (product_id)
            where o.status <> 'cancelled' group by 1, 2""",
        ),
        2,
    )
    lake = money(
        rows(
            trino,
            """
            select date_format(order_date, '%Y-%m'), category, sum(units), sum(gross_revenue), sum(refunds),
                   sum(net_revenue)
            from marts.daily_sales group by 1, 2""",
        ),
        2,
    )
    assert len(source) > 100, "the seed covers two years and several categories"
    assert merged(lake) == merged(source)


def merged(
    totals: dict[tuple[Any, ...], tuple[Decimal, ...]],
) -> dict[tuple[Any, ...], tuple[Decimal, ...]]:
    """Totals with the shop's renamed category under its present name, as the marts report it."""
    result: dict[tuple[Any, ...], tuple[Decimal, ...]] = {}
    for (month, category), values in totals.items():
        key = (month, RENAMED.get(category, category))
        known = result.get(key, tuple(Decimal(0) for _ in values))
        result[key] = tuple(a + b for a, b in zip(known, values, strict=True))
    return result


RENAMED = {"Chew toys": "Chews"}


def test_orders_by_channel_equal_the_source(shop: Any, trino: Any) -> None:
    """Orders without lines, or counted once a line: the order counts by channel would differ."""
    source = dict(rows(shop, "select channel, count(*) from shop.orders where status <> 'cancelled' group by 1"))
    lake = dict(rows(trino, "select channel, sum(orders) from marts.daily_orders group by 1"))
    assert lake == source


def test_payments_agree_with_the_shop(shop: Any, trino: Any) -> None:
    """Payments lost, doubled or converted with rounding: the shop's own sum would not be what Stripe charged."""
    source = rows(
        shop,
        f"""
        select count(distinct order_id), sum(total) from (
            select o.order_id, o.shipping_fee + sum({LINE}) as total
            from shop.orders o join shop.order_items i using (order_id)
            where o.channel in ('web', 'app') group by o.order_id) as orders""",
    )
    lake = rows(
        trino,
        "select count(distinct order_id), sum(amount) from marts.fct_payments where payment_type = 'charge'",
    )
    assert lake[0][0] == source[0][0]
    assert Decimal(str(lake[0][1])) == source[0][1]
    states = dict(rows(trino, "select state, count(*) from marts.payment_reconciliation group by state"))
    assert states == {"matched": source[0][0]}


def test_wholesale_is_in_the_revenue(trino: Any) -> None:
    """Deals that do not reach the mart of all channels, or lose cents between a deal and its lines."""
    deals = rows(trino, "select count(*), sum(amount) from staging.stg_salesforce__opportunities where is_won")
    lines = rows(trino, "select count(distinct opportunity_id), sum(net_revenue) from marts.fct_wholesale")
    channel = rows(
        trino, "select sum(sales), sum(net_revenue) from marts.revenue_by_channel where channel = 'wholesale'"
    )
    assert deals[0][0] > 0, "the example has wholesale deals"
    assert lines == deals
    assert channel == deals


def test_all_three_systems_know_some_parties(trino: Any) -> None:
    """Identities that are resolved within one system only: the rules between systems would be dead code."""
    found = rows(
        trino,
        "select count(*) from marts.dim_parties where shop_accounts > 0 and stripe_accounts > 0"
        " and salesforce_accounts > 0",
    )
    assert found[0][0] > 0


def test_money_keeps_its_type(trino: Any) -> None:
    """A tap that turns numeric(12,2) into double: sums would drift and the column's type would show it."""
    types = dict(
        rows(
            trino,
            "select column_name, data_type from information_schema.columns "
            "where table_schema = 'raw' and table_name = 'order_items'",
        )
    )
    assert types["unit_price"] == "decimal(12,2)"
    assert types["discount_amount"] == "decimal(12,2)"
    assert types["updated_at"] == "timestamp(6) with time zone"
