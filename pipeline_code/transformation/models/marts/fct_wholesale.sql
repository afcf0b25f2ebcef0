{{ config(unique_key='line_item_id') }}

select
    items.line_item_id,
    items.opportunity_id,
    opportunities.account_id,
    opportunities.close_date,
    products.product_id,
    coalesce(products.category, 'Unknown') as category,
    items.quantity,
    items.unit_price,
    items.total_price as net_revenue
from {{ ref('stg_salesforce__opportunity_line_items') }} as items
inner join {{ ref('stg_salesforce__opportunities') }} as opportunities
    on items.opportunity_id = opportunities.opportunity_id
left join {{ ref('stg_salesforce__products') }} as listed
    on items.salesforce_product_id = listed.salesforce_product_id
left join {{ ref('dim_products') }} as products on listed.sku = products.sku
where opportunities.is_won
