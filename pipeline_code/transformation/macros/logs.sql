{#- What Dagster writes down beside the marts, made at the start of each dbt run, before the views on it:
    test_results, the outcome of each data test; stream_loads, when each stream was last read. -#}
{% macro create_logs() %}
    {%- if execute -%}
        {%- set schema = target.database ~ '.' ~ generate_schema_name('marts', none) -%}
        {%- do run_query('create schema if not exists ' ~ schema) -%}
        {%- do run_query(
            'create table if not exists ' ~ schema ~ '.test_results (checked_at timestamp(6) with time zone,'
            ~ ' invocation_id varchar, model varchar, test varchar, status varchar, failures bigint)'
        ) -%}
        {%- do run_query(
            'create table if not exists ' ~ schema ~ '.stream_loads (source varchar, stream varchar,'
            ~ ' loaded_at timestamp(6) with time zone, warn_after_minutes bigint, fail_after_minutes bigint)'
        ) -%}
    {%- endif -%}
{% endmacro %}
