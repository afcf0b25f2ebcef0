with source as (
    select
        *,
        {{ version_rank('product_id') }} as version_rank
    from {{ source('raw', 'products') }}
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
    where version_rank = 1
)

select * from renamed
