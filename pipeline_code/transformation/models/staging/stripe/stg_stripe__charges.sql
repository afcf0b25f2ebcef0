with source as (
    {{ ranked_versions('stripe', 'charges', 'id') }}
),

renamed as (
    select
        id as charge_id,
        try_cast(json_extract_scalar(metadata, '$.order_id') as bigint) as order_id,
        customer as stripe_customer_id,
        balance_transaction as balance_transaction_id,
        upper(currency) as currency,
        cast(amount as decimal(18, 2)) / 100 as amount,
        status,
        paid,
        disputed,
        created as created_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
