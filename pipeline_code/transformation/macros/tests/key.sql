{#- The columns together identify a row: no part is null, no combination occurs twice. `required` columns are never
    null either. One query a model. -#}
{% test key(model, columns, required=[]) %}
    select
        {{ columns | join(', ') }},
        count(*) as occurrences
        {% for column in required %}
        , count(*) - count({{ column }}) as {{ column }}_missing
        {% endfor %}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having
        count(*) > 1
        {% for column in columns %}
        or {{ column }} is null
        {% endfor %}
        {% for column in required %}
        or count({{ column }}) < count(*)
        {% endfor %}
{% endtest %}
