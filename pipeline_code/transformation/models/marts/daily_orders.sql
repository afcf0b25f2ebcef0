{{ config(unique_key=['order_date', 'channel']) }}

select
    order_date,
    channel,
    count(*) as orders,
    count_if(is_first_order) as new_customer_orders,
    count_if(not is_first_order) as returning_customer_orders,
    count_if(status = 'returned') as returned_orders,
    cast(sum(gross_revenue) as decimal(18, 2)) as gross_revenue,
    cast(sum(refunds) as decimal(18, 2)) as refunds,
    cast(sum(net_revenue) as decimal(18, 2)) as net_revenue,
    cast(sum(net_revenue) / count(*) as decimal(12, 2)) as average_order_value
from {{ ref('fct_orders') }}
where status <> 'cancelled'
group by 1, 2
