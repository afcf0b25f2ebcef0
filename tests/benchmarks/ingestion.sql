-- The benchmark's table: {rows} rows of 12 mixed columns, the same in every run.
create schema if not exists bench;
create table bench.orders (
 id bigint not null, created_at timestamptz not null, updated_at timestamptz not null, customer_id bigint not null,
 product_id bigint not null, store_id bigint, qty int not null, price numeric(12,2) not null, status text not null, city text, email text, is_gift boolean not null);
insert into bench.orders
select i, created, created + make_interval(secs => -259200 * ln(1 - r2)), 1 + floor(600000 * r1 * r1)::bigint, 1 + floor(50000 * power(r3, 4))::bigint,
 1 + floor(400 * r4)::bigint, 1 + least(49, floor(-1.7 * ln(1 - r5)))::int, round(exp(3.4 + 0.9 * (r1 + r2 + r3 + r4 + r5 - 2.5) * 1.55)::numeric, 2),
 (array['pending','paid','shipped','delivered','delivered','delivered','delivered','returned'])[1 + floor(8 * r6)::int],
 (array['Berlin','Hamburg','Munich','Paris','Lyon','Oslo','Madrid','Porto','Rome','Milan','Vienna','Prague','Warsaw','Dublin','Leeds','York'])[1 + floor(16 * r3 * r3)::int] || case when r6 < 0.5 then '' else '-' || floor(12 * r2)::text end,
 (array['james','mary','robert','patricia','john','jennifer','ines','marco','yuki','lena','tomas','chen','amir','fatima'])[1 + floor(14 * r4)::int] || '.' ||
 (array['smith','johnson','williams','brown','jones','garcia','miller','davis','nguyen','hill','flores','green'])[1 + floor(12 * r5)::int] || to_hex((i * 2654435761) % 4294967296) || '@' ||
 (array['gmail.com','yahoo.com','hotmail.com','outlook.com','proton.me','example.org'])[1 + floor(6 * r1 * r1)::int], r6 < 0.08
from (select i, timestamptz '2023-11-01 00:00:00+00' + make_interval(secs => i * 94608000.0 / {rows} + 3600 * r1) as created, r1,r2,r3,r4,r5,r6 from
 (select i, setseed(case when i = 1 then 0.5 end), random() r1, random() r2, random() r3, random() r4, random() r5, random() r6 from generate_series(1, {rows}) i) s) t;
alter table bench.orders add primary key (id);
create index on bench.orders (updated_at);
