select
    customer_id,
    email,
    first_name,
    last_name,
    country,
    city,
    acquisition_channel,
    marketing_opt_in,
    created_at,
    updated_at,
    _loaded_at
from {{ ref('base_petco__customers') }}
where
    version_rank = 1
    and deleted_at is null
