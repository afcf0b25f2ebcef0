{#- marts.test_results, the log of the outcome of each data test: made at the start of each dbt run, before the view
    data_quality on it. -#}
{% macro create_test_results() %}
    {% if execute %}
        {% do run_query('create schema if not exists ' ~ target.database ~ '.' ~ target.schema) %}
        create table if not exists {{ target.database }}.{{ target.schema }}.test_results (
            checked_at timestamp(6) with time zone,
            invocation_id varchar,
            model varchar,
            test varchar,
            status varchar,
            failures bigint
        )
    {% endif %}
{% endmacro %}

{#- Run at the end of each dbt run: one row a data test of the run, whatever came of it. Unit tests are about code. -#}
{% macro record_test_results(results) %}
    {% set tests = results | selectattr('node.resource_type', 'equalto', 'test') | list %}
    {% if execute and tests %}
        insert into {{ target.database }}.{{ target.schema }}.test_results
        values
        {% for result in tests %}
        {%- set parent = result.node.attached_node or (result.node.depends_on.nodes | first) or '' %}
        (
            timestamp '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }} UTC',
            '{{ invocation_id }}',
            '{{ parent.split(".") | last }}',
            '{{ result.node.name }}',
            '{{ result.status }}',
            {{ result.failures if result.failures is not none else 'null' }}
        ){{ ',' if not loop.last }}
        {% endfor %}
    {% endif %}
{% endmacro %}
