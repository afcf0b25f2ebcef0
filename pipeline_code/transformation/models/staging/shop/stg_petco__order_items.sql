with source as (
    {{ ranked_versions('shop', 'order_items', 'order_item_id', changed='updated_at') }}
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
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
