{{ config(unique_key='customer_key') }}

with versions as (
    select
        *,
        row_number() over (partition by customer_id order by valid_from) as version_number
    from {{ ref('int_customers__history') }}
)

select
    lower(
        to_hex(md5(to_utf8(cast(customer_id as varchar) || '|' || cast(valid_from at time zone 'UTC' as varchar))))
    ) as customer_key,
    customer_id,
    version_number,
    email,
    first_name,
    last_name,
    country,
    city,
    acquisition_channel,
    marketing_opt_in,
    created_at,
    -- The first version seen holds since the customer exists: orders of before the platform's first load find it.
    if(version_number = 1, least(created_at, valid_from), valid_from) as valid_from,
    valid_to,
    valid_to is null as is_current,
    deleted_at
from versions
