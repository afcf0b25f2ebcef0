{#- Every condition is true in every row; a null counts as broken. One query a model. -#}
{% test holds(model, conditions) %}
    select *
    from {{ model }}
    where
        {% for condition in conditions %}
        {{ 'or ' if not loop.first }}coalesce({{ condition }}, false) = false
        {% endfor %}
{% endtest %}
