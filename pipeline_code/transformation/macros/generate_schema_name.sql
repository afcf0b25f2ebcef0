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
