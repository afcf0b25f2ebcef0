with source as (
    {{ ranked_versions('salesforce', 'products', 'id', changed='systemmodstamp') }}
),

renamed as (
    select
        id as salesforce_product_id,
        {{ clean_text('name') }} as name,
        upper({{ clean_text('productcode') }}) as sku,
        isactive as is_active,
        systemmodstamp as updated_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and not isdeleted
        and deleted_at is null
)

select * from renamed
