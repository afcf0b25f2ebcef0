{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='order_item_id',
        on_schema_change='append_new_columns'
    )
}}

with items as (
    select * from {{ ref('stg_petco__order_items') }}
    {% if is_incremental() %}
    where
        order_item_id in (
            select changed.order_item_id
            from {{ source('raw', 'order_items') }} as changed
            where changed._loaded_at >= {{ load_watermark(this, '_loaded_at') }}
        )
    {% endif %}
),

priced as (
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
    from items
)

select priced.*
from priced
{% if is_incremental() %}
left join {{ this }} as known on priced.order_item_id = known.order_item_id
where
    known.order_item_id is null
    or known.updated_at <> priced.updated_at
    or known._loaded_at <> priced._loaded_at
{% endif %}
