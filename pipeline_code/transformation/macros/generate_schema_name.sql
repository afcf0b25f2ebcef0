{#- Schemas are named as configured (staging, intermediate, marts, snapshots), with no prefix of the target. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (target.schema if custom_schema_name is none else custom_schema_name) | trim }}
{%- endmacro %}
