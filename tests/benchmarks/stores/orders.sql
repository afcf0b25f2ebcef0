-- The shop's orders, one row an order, with its customer and the sums of its lines, as an order's page shows them.
create schema shop;
create table shop.orders (
    order_id bigint not null, customer_id bigint not null, store_id bigint, channel text not null,
    status text not null, currency text not null, shipping_fee numeric(12, 2) not null,
    ordered_at timestamptz not null, updated_at timestamptz not null, email text, first_name text not null,
    last_name text not null, country text not null, city text not null, acquisition_channel text not null,
    marketing_opt_in boolean not null, lines bigint not null, pieces bigint not null,
    order_value numeric(12, 2) not null, discount numeric(12, 2) not null
);
