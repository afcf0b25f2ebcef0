{{ config(unique_key=['order_date', 'channel', 'category']) }}

select
    orders.order_date,
    orders.channel,
    coalesce(products.category, 'Unknown') as category,
    count(distinct orders.order_id) as orders,
    sum(items.quantity) as units,
    cast(sum(items.line_revenue) as decimal(18, 2)) as gross_revenue,
    cast(sum(items.refund) as decimal(18, 2)) as refunds,
    cast(sum(items.line_revenue - items.refund) as decimal(18, 2)) as net_revenue
from {{ ref('int_order_items__priced') }} as items
inner join {{ ref('fct_orders') }} as orders on items.order_id = orders.order_id
left join {{ ref('dim_products') }} as products on items.product_id = products.product_id
where orders.status <> 'cancelled'
group by 1, 2, 3
