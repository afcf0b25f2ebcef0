with source as (
    {{ ranked_versions('shop', 'orders', 'order_id', changed='updated_at') }}
),

renamed as (
    select
        order_id,
        customer_id,
        store_id,
        lower({{ clean_text('channel') }}) as channel,
        lower({{ clean_text('status') }}) as status,
        upper({{ clean_text('currency') }}) as currency,
        shipping_fee,
        ordered_at,
        cast(ordered_at at time zone 'UTC' as date) as order_date,
        updated_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
