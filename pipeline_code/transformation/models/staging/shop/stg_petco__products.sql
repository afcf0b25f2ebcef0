with source as (
    {{ ranked_versions('shop', 'products', 'product_id', changed='updated_at') }}
),

renamed as (
    select
        product_id,
        {{ clean_text('sku') }} as sku,
        {{ clean_text('name') }} as name,
        {{ current_category(clean_text('category')) }} as category,
        {{ clean_text('animal') }} as animal,
        unit_price,
        unit_cost,
        active,
        created_at,
        updated_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
