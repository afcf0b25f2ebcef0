{{ config(unique_key=['revenue_month', 'channel']) }}

with retail as (
    select
        cast(date_trunc('month', order_date) as date) as revenue_month,
        channel,
        count(*) as sales,
        sum(gross_revenue) as gross_revenue,
        sum(refunds) as refunds,
        sum(net_revenue) as net_revenue
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
    group by 1, 2
),

wholesale as (
    select
        cast(date_trunc('month', close_date) as date) as revenue_month,
        'wholesale' as channel,
        count(distinct opportunity_id) as sales,
        sum(net_revenue) as gross_revenue,
        cast(0 as decimal(18, 2)) as refunds,
        sum(net_revenue) as net_revenue
    from {{ ref('fct_wholesale') }}
    group by 1
),

fees as (
    select
        cast(date_trunc('month', orders.order_date) as date) as revenue_month,
        orders.channel,
        sum(payments.fee) as payment_fees
    from {{ ref('fct_payments') }} as payments
    inner join {{ ref('fct_orders') }} as orders on payments.order_id = orders.order_id
    group by 1, 2
),

channels as (
    select * from retail
    union all
    select * from wholesale
)

select
    channels.revenue_month,
    channels.channel,
    channels.sales,
    cast(channels.gross_revenue as decimal(18, 2)) as gross_revenue,
    cast(channels.refunds as decimal(18, 2)) as refunds,
    cast(channels.net_revenue as decimal(18, 2)) as net_revenue,
    cast(coalesce(fees.payment_fees, 0) as decimal(18, 2)) as payment_fees
from channels
left join fees
    on
        channels.revenue_month = fees.revenue_month
        and channels.channel = fees.channel
