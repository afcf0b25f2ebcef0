{{ config(unique_key='store_id') }}

select
    store_id,
    name,
    city,
    country,
    opened_on
from {{ ref('stg_petco__stores') }}
