{#- In production schemas are named as configured (staging, intermediate, marts, snapshots); elsewhere they begin with the
    target's own: dev_<name>_marts. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if target.name.startswith('production') -%}
        {{ (target.schema if custom_schema_name is none else custom_schema_name) | trim }}
    {%- else -%}
        {{ target.schema }}_{{ 'marts' if custom_schema_name is none else custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}

{#- What a developer or a branch builds must not replace what dashboards show. -#}
{% macro only_runs_of_dagster_build_production() %}
    {%- if execute and target.name.startswith('production') and env_var('HEADWATER_PRODUCTION', '') != '1' -%}
        {%- do exceptions.raise_compiler_error(
            'target ' ~ target.name ~ ' is built by runs of Dagster alone (make run). Without --target, dbt builds '
            ~ 'schemas of your own: dev_<name>_marts and so on'
        ) -%}
    {%- endif -%}
{% endmacro %}

{#- `dbt run-operation drop_development` takes back what a development target has built. -#}
{% macro drop_development() %}
    {%- if target.name.startswith('production') -%}
        {%- do exceptions.raise_compiler_error('drop_development is for development targets, not ' ~ target.name) -%}
    {%- endif -%}
    {%- for layer in ('marts', 'intermediate', 'staging', 'snapshots') -%}
        {%- set schema = api.Relation.create(target.database, generate_schema_name(layer, none)) -%}
        {%- if adapter.check_schema_exists(schema.database, schema.schema) -%}
            {%- do drop_schema(schema) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
