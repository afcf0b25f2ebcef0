with source as (
    {{ ranked_versions('salesforce', 'opportunity_line_items', 'id', changed='systemmodstamp') }}
),

renamed as (
    select
        id as line_item_id,
        opportunityid as opportunity_id,
        product2id as salesforce_product_id,
        cast(quantity as bigint) as quantity,
        cast(unitprice as decimal(18, 2)) as unit_price,
        cast(totalprice as decimal(18, 2)) as total_price,
        systemmodstamp as updated_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and not isdeleted
        and deleted_at is null
)

select * from renamed
