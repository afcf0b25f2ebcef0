{{ config(unique_key='product_id') }}

select
    product_id,
    sku,
    name,
    category,
    animal,
    unit_price,
    unit_cost,
    active
from {{ ref('stg_petco__products') }}
