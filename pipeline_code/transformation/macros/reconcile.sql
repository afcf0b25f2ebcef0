{#- Incremental strategy `reconcile`: afterwards the table holds exactly what the model selects, as after a rebuild. Rows
    that differ are updated, new ones inserted, those that are gone deleted, in one commit; no commit where nothing
    differs. The model selects all of its rows and needs no is_incremental(). docs/decisions/0095 says why. -#}
{% macro get_incremental_reconcile_sql(arg_dict) %}
    {%- set target, source = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
    {%- set keys = [arg_dict['unique_key']] if arg_dict['unique_key'] is string else arg_dict['unique_key'] -%}
    {%- if not keys -%}
        {%- do exceptions.raise_compiler_error('strategy reconcile needs the columns that identify a row: unique_key') -%}
    {%- endif -%}
    {%- if columns_of(source) != columns_of(target) or has_broken_key(target, keys) -%}
        create or replace table {{ target }} {{ comment(model.get('description')) }} as
        select * from {{ source }}
    {%- else -%}
        {{ merge_differences(target, source, keys, adapter.get_columns_in_relation(source) | map(attribute='name') | list) }}
    {%- endif -%}
{% endmacro %}

{#- Names and types of a relation's columns, as one text. Iceberg keeps no length of a text. -#}
{% macro columns_of(relation) -%}
    {%- set found = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do found.append(column.name ~ ' ' ~ modules.re.sub('^(var)?char\\(\\d+\\)$', 'varchar', column.data_type)) -%}
    {%- endfor -%}
    {{ found | sort | join(', ') }}
{%- endmacro %}

{#- Whether a table has rows that no merge by key can reach: a key twice, or with a null. -#}
{% macro has_broken_key(relation, keys) %}
    {%- set found = run_query(
        'select 1 from ' ~ relation ~ ' group by ' ~ keys | join(', ')
        ~ ' having count(*) > 1 or ' ~ keys | join(' is null or ') ~ ' is null limit 1'
    ) -%}
    {{ return(found | length > 0) }}
{% endmacro %}

{% macro merge_differences(target, source, keys, names) -%}
    merge into {{ target }} as known
    using (
        select
            {%- for name in names %}
            {{ 'coalesce(wanted.' ~ name ~ ', held.' ~ name ~ ')' if name in keys else 'wanted.' ~ name }} as {{ name }},
            {%- endfor %}
            wanted._is_wanted is null as _is_gone
        from (select *, true as _is_wanted from {{ source }}) as wanted
        full outer join {{ target }} as held
            on {{ equal_keys('wanted', 'held', keys) }}
        where
            wanted._is_wanted is null
            {%- for name in names %}
            or wanted.{{ name }} is distinct from held.{{ name }}
            {%- endfor %}
    ) as differing
    on {{ equal_keys('known', 'differing', keys) }}
    when matched and differing._is_gone then delete
    when matched then update set
        {%- for name in names %}
        {{ name }} = differing.{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched and not differing._is_gone then insert ({{ names | join(', ') }})
    values ({% for name in names %}differing.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro equal_keys(one, other, keys) -%}
    {%- for key in keys -%}{{ ' and ' if not loop.first }}{{ one }}.{{ key }} = {{ other }}.{{ key }}{%- endfor -%}
{%- endmacro %}

{#- That statement reads the model's query once: a view will do, where dbt-trino would write a table first. -#}
{% macro get_incremental_tmp_relation_type(strategy, unique_key, language) %}
    {{ return('view' if strategy in ('default', 'append', 'merge', 'reconcile') or unique_key is none else 'table') }}
{% endmacro %}
