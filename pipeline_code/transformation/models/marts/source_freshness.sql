{{ config(materialized='view') }}

-- A source is as fresh as its stream that was read longest ago: loads that brought no rows count.
with streams as (
    select
        source,
        loaded_at,
        case
            when loaded_at is null then 3
            when date_diff('minute', loaded_at, current_timestamp) > fail_after_minutes then 2
            when date_diff('minute', loaded_at, current_timestamp) > warn_after_minutes then 1
            else 0
        end as severity
    from {{ this.database }}.{{ this.schema }}.stream_loads
)

select
    source,
    min(loaded_at) as loaded_at,
    date_diff('minute', min(loaded_at), current_timestamp) as age_minutes,
    element_at(array['fresh', 'late', 'stale', 'never loaded'], max(severity) + 1) as state
from streams
group by source
