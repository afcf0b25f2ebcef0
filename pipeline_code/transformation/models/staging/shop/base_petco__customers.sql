with source as (
    {{ ranked_versions('shop', 'customers', 'customer_id', changed='updated_at') }}
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
        deleted_at,
        _loaded_at,
        version_rank
    from source
)

select * from renamed
