-- Reconciliation with the source: revenue of every month, computed from the raw change log with nothing of the
-- staging layer, equals to the cent what each revenue mart says. Returns the months that differ.
{{ config(meta={'dagster': {'ref': {'name': 'fct_orders'}}}) }}

-- depends_on: {{ ref('daily_sales') }} {{ ref('daily_orders') }} {{ ref('product_sales') }}

{%- set newest = 'row(_loaded_at, coalesce({}, 0), coalesce(updated_at, from_unixtime(0)))' %}
with raw_orders as (
    select
        order_id,
        max_by(
            row(status, ordered_at, {{ deleted_at('shop', 'orders') }}),
            {{ newest.format(log_position('shop', 'orders')) }}
        ) as latest
    from {{ source('shop', 'orders') }}
    group by order_id
),

raw_items as (
    select
        order_item_id,
        max_by(
            row(
                order_id, quantity, unit_price, discount_amount, returned_quantity,
                {{ deleted_at('shop', 'order_items') }}
            ),
            {{ newest.format(log_position('shop', 'order_items')) }}
        ) as latest
    from {{ source('shop', 'order_items') }}
    group by order_item_id
),

raw_months as (
    select
        date_trunc('month', cast(orders.latest[2] at time zone 'UTC' as date)) as order_month,
        sum(items.latest[2] * items.latest[3] - items.latest[4]) as gross_revenue,
        sum(
            items.latest[5] * items.latest[3] - items.latest[4] * items.latest[5] / items.latest[2]
        ) as refunds
    from raw_items as items
    inner join raw_orders as orders on items.latest[1] = orders.order_id
    where
        lower(trim(orders.latest[1])) <> 'cancelled'
        and orders.latest[3] is null
        and items.latest[6] is null
    group by date_trunc('month', cast(orders.latest[2] at time zone 'UTC' as date))
),

mart_months as (
    {% for mart, month in [
        ('fct_orders', "date_trunc('month', order_date)"),
        ('daily_sales', "date_trunc('month', order_date)"),
        ('daily_orders', "date_trunc('month', order_date)"),
        ('product_sales', 'order_month'),
    ] %}
    {{ 'union all' if not loop.first }}
    select
        '{{ mart }}' as mart,
        {{ month }} as order_month,
        sum(gross_revenue) as gross_revenue,
        sum(refunds) as refunds,
        sum(net_revenue) as net_revenue
    from {{ ref(mart) }}
    group by {{ month }}
    {% endfor %}
),

expected as (
    select
        marts.mart,
        raw_months.order_month,
        raw_months.gross_revenue,
        raw_months.refunds
    from raw_months
    cross join (values 'fct_orders', 'daily_sales', 'daily_orders', 'product_sales') as marts (mart)
)

select
    coalesce(expected.mart, mart_months.mart) as mart,
    coalesce(expected.order_month, mart_months.order_month) as order_month,
    expected.gross_revenue as raw_gross_revenue,
    mart_months.gross_revenue,
    expected.refunds as raw_refunds,
    mart_months.refunds,
    mart_months.net_revenue
from expected
full outer join mart_months
    on
        expected.mart = mart_months.mart
        and expected.order_month = mart_months.order_month
where
    coalesce(expected.gross_revenue, 0) <> coalesce(mart_months.gross_revenue, 0)
    or coalesce(expected.refunds, 0) <> coalesce(mart_months.refunds, 0)
    or coalesce(expected.gross_revenue, 0) - coalesce(expected.refunds, 0) <> coalesce(mart_months.net_revenue, 0)
