{{ config(unique_key='balance_transaction_id') }}

-- Money that moved, in the currency that Stripe settles in. A movement is a balance transaction; it belongs to
-- the order that its charge names.
with charges as (
    select * from {{ ref('stg_stripe__charges') }}
),

-- What a balance transaction is about: a charge, or something that refers to one.
causes as (
    select
        charge_id as source_id,
        charge_id,
        'charge' as cause
    from charges
    union all
    select
        refund_id as source_id,
        charge_id,
        'refund' as cause
    from {{ ref('stg_stripe__refunds') }}
    union all
    select
        dispute_id as source_id,
        charge_id,
        'dispute' as cause
    from {{ ref('stg_stripe__disputes') }}
)

select
    movements.balance_transaction_id,
    case
        when causes.cause = 'dispute' then 'dispute'
        when movements.transaction_type in ('charge', 'payment') then 'charge'
        -- The bank took a payment back after Stripe had booked it.
        when movements.transaction_type in ('payment_failure_refund', 'payment_reversal') then 'charge reversal'
        when movements.transaction_type in ('refund', 'payment_refund') then 'refund'
        -- The customer's bank did not take the money: it is the company's again.
        when movements.transaction_type = 'refund_failure' then 'refund reversal'
        -- The staging model's test knows all of Stripe's types; none of the rest says what became of an order.
        else 'other'
    end as payment_type,
    causes.charge_id,
    charges.order_id,
    charges.currency as presentment_currency,
    movements.currency,
    movements.amount,
    movements.fee,
    movements.net,
    movements.created_at,
    cast(movements.created_at at time zone 'UTC' as date) as payment_date
from {{ ref('stg_stripe__balance_transactions') }} as movements
inner join causes on movements.source_id = causes.source_id
inner join charges on causes.charge_id = charges.charge_id
