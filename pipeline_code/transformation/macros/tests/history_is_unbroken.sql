{#- The versions of each key follow one another without overlap, and without a gap but after a deletion; what holds now has
    no end, and nothing after it. -#}
{% test history_is_unbroken(model, key) %}
    select *
    from (
        select
            {{ key }},
            valid_from,
            valid_to,
            is_current,
            deleted_at,
            lead(valid_from) over (partition by {{ key }} order by valid_from) as next_valid_from
        from {{ model }}
    )
    where
        valid_to <= valid_from
        or valid_to > next_valid_from
        or valid_to is distinct from coalesce(deleted_at, next_valid_from)
        or is_current <> (valid_to is null)
{% endtest %}
