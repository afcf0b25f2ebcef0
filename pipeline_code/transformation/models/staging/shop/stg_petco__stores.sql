with source as (
    {{ ranked_versions('shop', 'stores', 'store_id', changed='updated_at') }}
),

renamed as (
    select
        store_id,
        {{ clean_text('name') }} as name,
        {{ clean_place('city') }} as city,
        {{ clean_place('country') }} as country,
        opened_on,
        updated_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
