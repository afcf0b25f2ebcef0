{{ config(unique_key='party_id') }}

with identities as (
    select * from {{ ref('int_identities__resolved') }}
),

members as (
    select
        party_id,
        count_if(source_system = 'shop') as shop_accounts,
        count_if(source_system = 'stripe') as stripe_accounts,
        count_if(source_system = 'salesforce') as salesforce_accounts,
        min_by(email, row(source_system, account_id)) filter (where email is not null) as email
    from identities
    group by party_id
),

retail as (
    select
        identities.party_id,
        sum(orders.net_revenue) as net_revenue
    from identities
    inner join {{ ref('fct_orders') }} as orders on identities.account_id = cast(orders.customer_id as varchar)
    where identities.source_system = 'shop'
    group by identities.party_id
),

wholesale as (
    select
        identities.party_id,
        sum(sales.net_revenue) as net_revenue
    from identities
    inner join {{ ref('fct_wholesale') }} as sales on identities.account_id = sales.account_id
    where identities.source_system = 'salesforce'
    group by identities.party_id
)

select
    members.party_id,
    members.email,
    members.shop_accounts,
    members.stripe_accounts,
    members.salesforce_accounts,
    members.salesforce_accounts > 0 as is_wholesale,
    cast(coalesce(retail.net_revenue, 0) as decimal(18, 2)) as retail_net_revenue,
    cast(coalesce(wholesale.net_revenue, 0) as decimal(18, 2)) as wholesale_net_revenue
from members
left join retail on members.party_id = retail.party_id
left join wholesale on members.party_id = wholesale.party_id
