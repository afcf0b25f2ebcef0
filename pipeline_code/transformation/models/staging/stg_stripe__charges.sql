with source as (
    select
        *,
        {{ load_rank() }} as version_rank
    from {{ source('raw', 'stripe_charges') }}
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
    where version_rank = 1
)

select * from renamed
