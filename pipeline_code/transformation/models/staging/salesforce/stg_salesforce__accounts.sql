with source as (
    {{ ranked_versions('salesforce', 'accounts', 'id', changed='systemmodstamp') }}
),

renamed as (
    select
        id as account_id,
        {{ clean_text('name') }} as account_name,
        lower({{ clean_text('contact_email__c') }}) as contact_email,
        -- The host of the web site, without `www.`: https://www.pawshop.example/de becomes pawshop.example.
        regexp_replace(lower(url_extract_host(website)), '^www\.') as website_domain,
        {{ clean_place('billingcountry') }} as country,
        {{ clean_place('billingcity') }} as city,
        createddate as created_at,
        systemmodstamp as updated_at,
        _loaded_at
    from source
    where
        version_rank = 1
        and not isdeleted
        and deleted_at is null
)

select * from renamed
