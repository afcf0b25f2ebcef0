{#- Load time from which an incremental run looks at rows again: the newest one in `relation`, less the overlap.
    An empty relation was never loaded: everything counts as new. -#}
{% macro load_watermark(relation, column) -%}
    (
        select coalesce(max(known.{{ column }}) - interval '{{ var("load_overlap_hours") }}' hour, from_unixtime(0))
        from {{ relation }} as known
    )
{%- endmacro %}
