{#- Each reference finds its row, for rows that are settled: changed no later than the newest row of the referred
    stream. Streams are read one after another, so the newest rows may refer to what the next load brings.
    `references`: a list of {column, to, field}. Nulls refer to nothing. One scan of the model. -#}
{% test references_settled(model, references) %}
    select child.*
    from {{ model }} as child
    {% for reference in references %}
    left join {{ reference.to }} as parent_{{ loop.index }}
        on child.{{ reference.column }} = parent_{{ loop.index }}.{{ reference.field }}
    cross join (select max(updated_at) as updated_at from {{ reference.to }}) as newest_{{ loop.index }}
    {% endfor %}
    where
        {% for reference in references %}
        {{ 'or ' if not loop.first }}(
            child.{{ reference.column }} is not null
            and parent_{{ loop.index }}.{{ reference.field }} is null
            and child.updated_at <= newest_{{ loop.index }}.updated_at
        )
        {% endfor %}
{% endtest %}
