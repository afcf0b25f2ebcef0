{#- All versions of a stream's rows with `version_rank`, 1 for the one that counts, and `deleted_at`, null while it lives.
    Loads of a stream follow one another, so the later load knows better whatever the source's clock says; then the
    place in the source's log; then `changed`, the column of the last change. Of a row that was removed and written
    anew at one place of the log, the row counts. -#}
{% macro ranked_versions(source_name, table, key, changed=none) -%}
    select
        *,
        {{ deleted_at(source_name, table) }} as deleted_at,
        row_number() over (
            partition by {{ key }}
            order by
                _loaded_at desc,
                {{ log_position(source_name, table) }} desc nulls last
                {{- ', ' ~ changed ~ ' desc nulls last' if changed is not none }}
        ) as version_rank
    from {{ source(source_name, table) }}
{%- endmacro %}

{#- When the source deleted the row; null where it does not tell. -#}
{% macro deleted_at(source_name, table) -%}
    {{ stored_or_null(source_name, table, '_sdc_deleted_at', 'timestamp(6) with time zone') }}
{%- endmacro %}

{#- Place in the source's log; null where the log is not followed. -#}
{% macro log_position(source_name, table) -%}
    {{ stored_or_null(source_name, table, '_sdc_lsn', 'bigint') }}
{%- endmacro %}

{#- A column of a source's table, or null where the table lacks it: the lake is asked. A unit test has no sources to ask
    for, so that there it is null. -#}
{% macro stored_or_null(source_name, table, column, type) -%}
    {%- set found = namespace(stored=false) -%}
    {%- if execute -%}
        {%- for each in (graph.sources | default({})).values() if each.source_name == source_name and each.name == table -%}
            {%- set relation = api.Relation.create(each.database, each.schema, each.identifier, type='table') -%}
            {%- for stored in adapter.get_columns_in_relation(relation) if stored.name | lower == column -%}
                {%- set found.stored = true -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ column if found.stored else 'cast(null as ' ~ type ~ ')' }}
{%- endmacro %}
