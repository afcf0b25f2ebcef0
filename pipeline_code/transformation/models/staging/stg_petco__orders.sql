with source as (
    select
        *,
        {{ version_rank('order_id') }} as version_rank
    from {{ source('raw', 'orders') }}
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
    where version_rank = 1
)

select * from renamed
