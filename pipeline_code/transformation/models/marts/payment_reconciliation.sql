{{ config(unique_key='order_id') }}

-- Web and app orders are paid through Stripe when they are made, an order in a store is paid at its till.
with orders as (
    select
        *,
        if(status = 'cancelled', 0, gross_revenue + shipping_fee) as due
    from {{ ref('fct_orders') }}
    where channel in ('web', 'app')
),

payments as (
    select
        order_id,
        min(charge_id) as charge_id,
        sum(if(payment_type in ('charge', 'charge reversal'), amount, 0)) as charged,
        sum(if(payment_type in ('refund', 'refund reversal'), -amount, 0)) as refunded,
        sum(if(payment_type = 'dispute', -amount, 0)) as disputed,
        sum(fee) as fees,
        sum(net) as received,
        max(created_at) as last_payment_at
    from {{ ref('fct_payments') }}
    group by order_id
),

-- Up to when each side is known. What happened on one side after that may still be on its way on the other.
known as (
    select
        (select max(updated_at) from {{ ref('stg_petco__orders') }}) as orders_until,
        (select max(created_at) from {{ ref('stg_stripe__balance_transactions') }}) as payments_until
),

joined as (
    select
        coalesce(orders.order_id, payments.order_id) as order_id,
        payments.charge_id,
        orders.channel,
        orders.status as order_status,
        coalesce(orders.order_date, cast(payments.last_payment_at at time zone 'UTC' as date)) as order_date,
        orders.order_id is not null as is_ordered,
        coalesce(orders.due, 0) as due,
        coalesce(orders.refunds, 0) as refund_due,
        coalesce(payments.charged, 0) as charged,
        coalesce(payments.refunded, 0) as refunded,
        coalesce(payments.disputed, 0) as disputed,
        coalesce(payments.fees, 0) as fees,
        coalesce(payments.received, 0) as received,
        coalesce(orders.updated_at > known.payments_until, false)
        or coalesce(payments.last_payment_at > known.orders_until, false) as is_recent
    from orders
    full outer join payments on orders.order_id = payments.order_id
    cross join known
)

select
    order_id,
    charge_id,
    channel,
    order_status,
    order_date,
    cast(due as decimal(18, 2)) as due,
    cast(refund_due as decimal(18, 2)) as refund_due,
    cast(charged as decimal(18, 2)) as charged,
    cast(refunded as decimal(18, 2)) as refunded,
    cast(disputed as decimal(18, 2)) as disputed,
    cast(fees as decimal(18, 2)) as fees,
    cast(received as decimal(18, 2)) as received,
    cast((charged - refunded) - (due - refund_due) as decimal(18, 2)) as difference,
    case
        when charged = due and refunded = refund_due then 'matched'
        -- An order that was charged and then cancelled is even when all of it went back.
        when order_status = 'cancelled' and charged = refunded then 'matched'
        when is_recent then 'in flight'
        when not is_ordered then 'charge without order'
        when charged = 0 then 'not charged'
        when charged <> due then 'charge differs'
        else 'refund differs'
    end as state
from joined
