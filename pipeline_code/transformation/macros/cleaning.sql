{#- Text without outer or doubled blanks; null when nothing is left. -#}
{% macro clean_text(column) -%}
    nullif(trim(regexp_replace({{ column }}, '\s+', ' ')), '')
{%- endmacro %}

{#- A place's name in one spelling: ` frankfurt  AM main ` becomes `Frankfurt am Main`; codes of up to three letters
    become capitals. -#}
{% macro clean_place(column) -%}
    case
        when length(trim({{ column }})) <= 3 then upper({{ clean_text(column) }})
        else regexp_replace(
            regexp_replace(
                lower({{ clean_text(column) }}), '(^|[\s\-])([^\s\-])', parts -> parts[1] || upper(parts[2])
            ),
            '\s(Am|An|Der|Den|De|La|Le|Im|Of|The|Upon|Sur)(?=\s)',
            parts -> ' ' || lower(parts[1])
        )
    end
{%- endmacro %}

{#- The name that a category has today. The shop renamed some, and a product keeps the former name until it is next
    changed, so that both occur. -#}
{% macro current_category(expression) -%}
    {%- set renames = {'Chew toys': 'Chews'} -%}
    case {{ expression }}
        {%- for former, current in renames.items() %}
        when '{{ former }}' then '{{ current }}'
        {%- endfor %}
        else {{ expression }}
    end
{%- endmacro %}
