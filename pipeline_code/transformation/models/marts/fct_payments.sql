-- Money that moved, in the currency that Stripe settles in. A movement is a balance transaction; it belongs to
-- the order that its charge names.
with charges as (
    select * from {{ ref('stg_stripe__charges') }}
),

-- What a balance transaction is about: a charge, or something that refers to one.
causes as (
    select
        charge_id as source_id,
        charge_id
    from charges
    union all
    select
        refund_id as source_id,
        charge_id
    from {{ ref('stg_stripe__refunds') }}
    union all
    select
        dispute_id as source_id,
        charge_id
    from {{ ref('stg_stripe__disputes') }}
)

select
    movements.balance_transaction_id,
    case movements.transaction_type
        when 'charge' then 'charge'
        when 'payment' then 'charge'
        when 'refund' then 'refund'
        when 'payment_refund' then 'refund'
        else 'dispute'
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
