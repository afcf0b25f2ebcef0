{#- dbt-trino makes a table with an enforced contract empty and fills it by a second statement: a dashboard would meet it
    empty. Here the query is compared with the contract first, and then made a table in one statement, as all others. -#}
{% macro trino__create_table_as(temporary, relation, sql, on_exists=none) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set sql = get_select_subquery(sql) -%}
    {%- endif -%}
    create{{ ' or replace' if on_exists == 'replace' }} table{{ ' if not exists' if on_exists == 'skip' }} {{ relation }}
    {{ comment(model.get('description')) }}
    {{ properties(temporary) }}
    as (
        {{ sql }}
    )
{%- endmacro %}

{#- A view gets its description with its definition. -#}
{% macro trino__create_view_as(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}
    create or replace view {{ relation }}
    {{ comment(model.get('description')) }}
    security definer
    as
    {{ sql }}
{%- endmacro %}

{#- Descriptions become comments in the lake. Only those that differ are written: each is a commit of its own. A view has
    its own from its definition; comments on a view's columns would be lost with each definition. -#}
{% macro trino__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if config.persist_relation_docs() and relation.is_table -%}
        {%- set held = run_query(
            "select comment from system.metadata.table_comments where catalog_name = '" ~ relation.database
            ~ "' and schema_name = '" ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
        ) -%}
        {%- if held.columns[0].values() | first != model.description -%}
            {%- do run_query(alter_relation_comment(relation, model.description)) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if config.persist_column_docs() and relation.is_table -%}
        {%- for column in run_query('describe ' ~ relation) -%}
            {%- set wanted = model.columns.get(column[0], {}).get('description') or '' -%}
            {%- if (column[3] or '') != wanted -%}
                {%- do run_query(trino__alter_column_comment(relation, {column[0]: {'description': wanted}})) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
