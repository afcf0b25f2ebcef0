{#- Each customer with an order that was not cancelled has exactly one first order. -#}
{% test one_first_order(model) %}
    select
        customer_id,
        count_if(is_first_order) as first_orders
    from {{ model }}
    where status <> 'cancelled'
    group by customer_id
    having count_if(is_first_order) <> 1
{% endtest %}
