{{ config(unique_key='order_id') }}

with orders as (
    select
        *,
        status <> 'cancelled'
        and row_number() over (
            partition by customer_id, status = 'cancelled'
            order by ordered_at, order_id
        ) = 1 as is_first_order
    from {{ ref('stg_petco__orders') }}
),

order_totals as (
    select
        order_id,
        count(*) as items,
        sum(quantity) as units,
        sum(line_revenue) as line_revenue,
        sum(refund) as refunds,
        max(updated_at) as updated_at,
        max(_loaded_at) as _loaded_at
    from {{ ref('int_order_items__priced') }}
    group by order_id
),

priced as (
    select
        orders.order_id,
        orders.customer_id,
        orders.store_id,
        orders.channel,
        orders.status,
        orders.ordered_at,
        orders.order_date,
        coalesce(order_totals.items, 0) as items,
        coalesce(order_totals.units, 0) as units,
        cast(
            if(orders.status = 'cancelled', 0, coalesce(order_totals.line_revenue, 0)) as decimal(18, 2)
        ) as gross_revenue,
        cast(if(orders.status = 'cancelled', 0, coalesce(order_totals.refunds, 0)) as decimal(18, 2)) as refunds,
        orders.shipping_fee,
        orders.is_first_order,
        greatest(orders.updated_at, coalesce(order_totals.updated_at, orders.updated_at)) as updated_at,
        orders._loaded_at as _order_loaded_at,
        order_totals._loaded_at as _items_loaded_at
    from orders
    left join order_totals on orders.order_id = order_totals.order_id
)

select
    priced.order_id,
    priced.customer_id,
    priced.store_id,
    priced.channel,
    priced.status,
    priced.ordered_at,
    priced.order_date,
    priced.items,
    priced.units,
    priced.gross_revenue,
    priced.refunds,
    cast(priced.gross_revenue - priced.refunds as decimal(18, 2)) as net_revenue,
    priced.shipping_fee,
    priced.is_first_order,
    priced.updated_at,
    priced._order_loaded_at,
    priced._items_loaded_at
from priced
