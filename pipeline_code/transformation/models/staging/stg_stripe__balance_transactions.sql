with source as (
    select
        *,
        {{ load_rank() }} as version_rank
    from {{ source('raw', 'stripe_balance_transactions') }}
),

renamed as (
    select
        id as balance_transaction_id,
        source as source_id,
        type as transaction_type,
        upper(currency) as currency,
        cast(amount as decimal(18, 2)) / 100 as amount,
        cast(fee as decimal(18, 2)) / 100 as fee,
        cast(net as decimal(18, 2)) / 100 as net,
        created as created_at,
        _loaded_at
    from source
    where version_rank = 1
)

select * from renamed
