with source as (
    select
        *,
        {{ version_rank('order_item_id') }} as version_rank
    from {{ source('raw', 'order_items') }}
),

renamed as (
    select
        order_item_id,
        order_id,
        product_id,
        quantity,
        unit_price,
        discount_amount,
        returned_quantity,
        updated_at,
        _loaded_at
    from source
    where version_rank = 1
)

select * from renamed
