with source as (
    {{ ranked_versions('salesforce', 'opportunities', 'id', changed='systemmodstamp') }}
),

renamed as (
    select
        id as opportunity_id,
        accountid as account_id,
        {{ clean_text('name') }} as opportunity_name,
        stagename as stage,
        isclosed as is_closed,
        iswon as is_won,
        closedate as close_date,
        upper(currencyisocode) as currency,
        cast(amount as decimal(18, 2)) as amount,
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
