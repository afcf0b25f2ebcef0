with versions as (
    select
        *,
        row_number() over (partition by customer_id order by dbt_valid_from) as version_number
    from {{ ref('customers_history') }}
)

select
    dbt_scd_id as customer_key,
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
    if(version_number = 1, least(created_at, dbt_valid_from), dbt_valid_from) as valid_from,
    dbt_valid_to as valid_to,
    dbt_valid_to is null as is_current
from versions
