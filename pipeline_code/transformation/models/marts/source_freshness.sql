{{ config(materialized='view') }}

with loads as (
    {% for source_name, stream in [
        ('shop', 'customers'),
        ('shop', 'orders'),
        ('shop', 'order_items'),
        ('stripe', 'stripe_charges'),
        ('stripe', 'stripe_balance_transactions'),
        ('salesforce', 'salesforce_opportunities'),
        ('salesforce', 'salesforce_opportunity_line_items'),
    ] %}
    {{ 'union all' if not loop.first }}
    select
        '{{ source_name }}' as source,
        max(_loaded_at) as loaded_at
    from {{ source('raw', stream) }}
    {% endfor %}
),

newest as (
    select
        source,
        max(loaded_at) as loaded_at
    from loads
    group by source
)

select
    source,
    loaded_at,
    date_diff('minute', loaded_at, current_timestamp) as age_minutes,
    case
        when loaded_at is null then 'never loaded'
        when loaded_at > current_timestamp - interval '2' hour then 'fresh'
        when loaded_at > current_timestamp - interval '24' hour then 'late'
        else 'stale'
    end as state
from newest
