with source as (
    {{ ranked_versions('stripe', 'refunds', 'id') }}
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
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
