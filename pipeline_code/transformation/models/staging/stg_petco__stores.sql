with source as (
    select
        *,
        {{ version_rank('store_id') }} as version_rank
    from {{ source('raw', 'stores') }}
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
    where version_rank = 1
)

select * from renamed
