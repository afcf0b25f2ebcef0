{#- Both relations hold the same values of the column: nothing was lost on the way, nothing invented. -#}
{% test same_members(model, column, to) %}
    select coalesce(here.{{ column }}, there.{{ column }}) as missing_or_invented
    from (select distinct {{ column }} from {{ model }}) as here
    full outer join {{ to }} as there on here.{{ column }} = there.{{ column }}
    where here.{{ column }} is null or there.{{ column }} is null
{% endtest %}
