{{ config(unique_key=['customer_id', 'valid_from']) }}

-- What happened to each customer, in the order of the loads: a version of the row was seen, or its deletion.
with versions as (
    select * from {{ ref('base_petco__customers') }}
),

seen as (
    select
        *,
        lag(version_rank) over (partition by customer_id order by version_rank desc) is null as is_first,
        row(
            email, first_name, last_name, country, city, acquisition_channel, marketing_opt_in,
            created_at, updated_at, deleted_at
        ) is not distinct from lag(
            row(
                email, first_name, last_name, country, city, acquisition_channel, marketing_opt_in,
                created_at, updated_at, deleted_at
            )
        ) over (partition by customer_id order by version_rank desc) as is_seen_again
    from versions
),

events as (
    select
        *,
        false as is_deletion,
        least(updated_at, _loaded_at) as begun_at
    from seen
    where
        not is_seen_again
        -- Of a customer who was never seen alive the deleted row is all that is known, unless it is but a key.
        and (deleted_at is null or (is_first and updated_at is not null))
    union all
    select
        *,
        true as is_deletion,
        least(deleted_at, _loaded_at) as begun_at
    from seen
    where deleted_at is not null
),

numbered as (
    select
        *,
        row_number() over (partition by customer_id order by version_rank desc, is_deletion asc) as event_number
    from events
),

compared as (
    select
        *,
        coalesce(
            begun_at <= max(begun_at) over (
                partition by customer_id order by event_number
                rows between unbounded preceding and 1 preceding
            ), false
        ) as is_out_of_order
    from numbered
),

-- Once the shop's clock went back, its times say nothing about the order: from there on those of the loads count.
dated as (
    select
        *,
        if(
            bool_or(is_out_of_order) over (
                partition by customer_id order by event_number
                rows between unbounded preceding and current row
            ), _loaded_at, begun_at
        ) as valid_from
    from compared
),

-- Of what happened at one moment the last counts.
last_of_moment as (
    select
        *,
        lead(event_number) over (partition by customer_id, valid_from order by event_number) is null as is_last
    from dated
),

periods as (
    select
        *,
        lead(valid_from) over (partition by customer_id order by event_number) as valid_to,
        coalesce(lead(is_deletion) over (partition by customer_id order by event_number), false) as ends_by_deletion
    from last_of_moment
    where is_last
)

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
    valid_from,
    valid_to,
    if(ends_by_deletion, valid_to) as deleted_at
from periods
where not is_deletion
