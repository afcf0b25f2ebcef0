"""What the stores are asked: the same SQL for each, but for the table's name."""

from __future__ import annotations

import random

COLUMNS = (
    "order_id", "customer_id", "store_id", "channel", "status", "currency", "shipping_fee", "ordered_at", "updated_at",
    "email", "first_name", "last_name", "country", "city", "acquisition_channel",
    "case when marketing_opt_in then 1 else 0 end", "lines", "pieces", "order_value", "discount",
)  # fmt: skip
LOOKUP = "select * from {table} where order_id = {key}"
AGGREGATE = (
    "select date_trunc('month', ordered_at), channel, count(*), sum(order_value - discount) from {table}"
    " where status <> 'cancelled' group by 1, 2 order by 1, 2"
)
WIDE = f"select {', '.join(f'max({column})' for column in COLUMNS)} from {{table}}"
UPDATE = "update {table} set status = 'returned', shipping_fee = shipping_fee + 0.01 where order_id in ({keys})"
FEES = "select count(*), sum(shipping_fee) from {table}"
"""What updates add up to: each adds a cent."""
SAME = (
    "select count(*), min(order_id), max(order_id), sum(order_value), sum(discount), sum(pieces), sum(length(email)),"
    " sum(length(city)), max(updated_at) from {table}"
)
"""Equal where two stores hold the same rows."""


def keys(count: int, rows: int, seed: int) -> list[int]:
    """Return `count` order numbers of 1 to `rows`, each once as far as there are so many."""
    chance = random.Random(seed)
    return [number + 1 for number in chance.sample(range(rows), min(count, rows))]


def sizes(rows: int) -> list[int]:
    """Return the sizes at which the aggregate is measured: 1,000, 3,000, 10,000 and so on, then all rows."""
    steps = (lead * 10**power for power in range(3, 9) for lead in (1, 3))
    return [*(step for step in steps if step < rows), rows]


def name(size: int, rows: int) -> str:
    """Return the name of the table with `size` of all rows."""
    return "orders" if size == rows else f"orders_{size}"
