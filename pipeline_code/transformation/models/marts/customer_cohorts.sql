{{ config(unique_key=['cohort_month', 'months_since_first']) }}

with orders as (
    select
        *,
        date_trunc('month', order_date) as order_month
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
),

cohorts as (
    select
        customer_id,
        order_month as cohort_month
    from orders
    where is_first_order
)

select
    cohorts.cohort_month,
    date_diff('month', cohorts.cohort_month, orders.order_month) as months_since_first,
    count(distinct orders.customer_id) as customers,
    count(*) as orders,
    cast(sum(orders.net_revenue) as decimal(18, 2)) as net_revenue
from orders
inner join cohorts on orders.customer_id = cohorts.customer_id
group by 1, 2
