with source as (
    select
        *,
        {{ version_rank('customer_id') }} as version_rank
    from {{ source('raw', 'customers') }}
),

renamed as (
    select
        customer_id,
        lower({{ clean_text('email') }}) as email,
        {{ clean_text('first_name') }} as first_name,
        {{ clean_text('last_name') }} as last_name,
        {{ clean_place('country') }} as country,
        {{ clean_place('city') }} as city,
        lower({{ clean_text('acquisition_channel') }}) as acquisition_channel,
        marketing_opt_in,
        created_at,
        updated_at,
        _loaded_at
    from source
    where version_rank = 1
)

select * from renamed
