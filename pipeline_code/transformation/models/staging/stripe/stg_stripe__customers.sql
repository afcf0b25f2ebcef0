with source as (
    {{ ranked_versions('stripe', 'customers', 'id') }}
),

renamed as (
    select
        id as stripe_customer_id,
        try_cast(json_extract_scalar(metadata, '$.customer_id') as bigint) as customer_id,
        lower({{ clean_text('email') }}) as email,
        created as created_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and deleted_at is null
)

select * from renamed
