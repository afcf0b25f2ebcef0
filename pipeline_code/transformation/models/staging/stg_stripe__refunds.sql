with source as (
    select
        *,
        {{ load_rank() }} as version_rank
    from {{ source('raw', 'stripe_refunds') }}
),

renamed as (
    select
        id as refund_id,
        charge as charge_id,
        balance_transaction as balance_transaction_id,
        upper(currency) as currency,
        cast(amount as decimal(18, 2)) / 100 as amount,
        status,
        created as created_at,
        _loaded_at
    from source
    where version_rank = 1
)

select * from renamed
