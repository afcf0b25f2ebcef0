{{ config(unique_key=['order_month', 'store_id']) }}

select
    cast(date_trunc('month', orders.order_date) as date) as order_month,
    orders.store_id,
    coalesce(stores.name, 'Unknown') as store_name,
    coalesce(stores.city, 'Unknown') as city,
    coalesce(stores.country, 'Unknown') as country,
    count(*) as orders,
    cast(sum(orders.gross_revenue) as decimal(18, 2)) as gross_revenue,
    cast(sum(orders.refunds) as decimal(18, 2)) as refunds,
    cast(sum(orders.net_revenue) as decimal(18, 2)) as net_revenue
from {{ ref('fct_orders') }} as orders
left join {{ ref('dim_stores') }} as stores on orders.store_id = stores.store_id
where
    orders.store_id is not null
    and orders.status <> 'cancelled'
group by 1, 2, 3, 4, 5
