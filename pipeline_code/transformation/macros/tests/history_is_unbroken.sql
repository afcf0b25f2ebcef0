{#- The versions of each key follow one another without gap or overlap, and the last one alone is current. -#}
{% test history_is_unbroken(model, key) %}
    select *
    from (
        select
            {{ key }},
            valid_to,
            is_current,
            lead(valid_from) over (partition by {{ key }} order by valid_from) as next_valid_from
        from {{ model }}
    )
    where
        valid_to is distinct from next_valid_from
        or is_current <> (next_valid_from is null)
{% endtest %}
