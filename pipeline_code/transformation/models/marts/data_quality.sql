{{ config(materialized='view') }}

with ranked as (
    select
        *,
        row_number() over (partition by test order by checked_at desc, invocation_id desc) as recency
    from {{ this.database }}.{{ this.schema }}.test_results
    -- A test that is no longer in the project is not run any more.
    where checked_at > current_timestamp - interval '30' day
)

select
    test,
    model,
    status,
    coalesce(failures, 0) as failing_rows,
    checked_at
from ranked
where recency = 1
