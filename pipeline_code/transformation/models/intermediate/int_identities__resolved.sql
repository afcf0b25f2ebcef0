{{ config(unique_key=['source_system', 'account_id']) }}

-- Each account of each system finds its party by the first rule that applies; rules are not chained.
with shop as (
    select
        customer_id,
        email,
        regexp_extract(email, '@(.+)$', 1) as email_domain,
        -- Accounts of the shop with one e-mail address are one party, known by the oldest of them.
        if(email is null, customer_id, min(customer_id) over (partition by email)) as party_number
    from {{ ref('stg_petco__customers') }}
),

by_email as (
    select
        email,
        min(party_number) as party_number
    from shop
    where email is not null
    group by email
),

-- An address at a provider of mail says nothing about a company, nor does a domain of several parties.
by_domain as (
    select
        email_domain,
        min(party_number) as party_number
    from shop
    where
        email_domain is not null
        and email_domain not in ({{ "'" ~ var('mail_providers') | join("', '") ~ "'" }})
    group by email_domain
    having count(distinct party_number) = 1
),

resolved as (
    select
        'shop' as source_system,
        cast(customer_id as varchar) as account_id,
        email,
        party_number,
        if(party_number = customer_id, 'own account', 'same e-mail') as rule
    from shop
    union all
    select
        'stripe' as source_system,
        customers.stripe_customer_id as account_id,
        customers.email,
        coalesce(shop.party_number, by_email.party_number) as party_number,
        case
            when shop.party_number is not null then 'reference'
            when by_email.party_number is not null then 'same e-mail'
            else 'own account'
        end as rule
    from {{ ref('stg_stripe__customers') }} as customers
    left join shop on customers.customer_id = shop.customer_id
    left join by_email on customers.email = by_email.email
    union all
    select
        'salesforce' as source_system,
        accounts.account_id,
        accounts.contact_email as email,
        coalesce(by_email.party_number, by_domain.party_number) as party_number,
        case
            when by_email.party_number is not null then 'same e-mail'
            when by_domain.party_number is not null then 'same domain'
            else 'own account'
        end as rule
    from {{ ref('stg_salesforce__accounts') }} as accounts
    left join by_email on accounts.contact_email = by_email.email
    left join by_domain on accounts.website_domain = by_domain.email_domain
)

select
    source_system,
    account_id,
    email,
    rule,
    if(party_number is null, source_system || '-' || account_id, 'shop-' || cast(party_number as varchar)) as party_id
from resolved
