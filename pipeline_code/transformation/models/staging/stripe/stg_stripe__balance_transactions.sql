with source as (
    {{ ranked_versions('stripe', 'balance_transactions', 'id') }}
),

renamed as (
    select
        id as balance_transaction_id,
        source as source_id,
        type as transaction_type,
        reporting_category,
        upper(currency) as currency,
        cast(amount as decimal(18, 2)) / 100 as amount,
        cast(fee as decimal(18, 2)) / 100 as fee,
        cast(net as decimal(18, 2)) / 100 as net,
        created as created_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
