{{ config(unique_key='order_item_id') }}


select
    order_item_id,
    order_id,
    product_id,
    quantity,
    returned_quantity,
    cast(quantity * unit_price - discount_amount as decimal(18, 2)) as line_revenue,
    cast(
        returned_quantity * unit_price - discount_amount * returned_quantity / nullif(quantity, 0) as decimal(18, 2)
    ) as refund,
    updated_at,
    _loaded_at
from {{ ref('stg_petco__order_items') }}
