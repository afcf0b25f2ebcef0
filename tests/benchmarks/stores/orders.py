"""Writes the example shop's orders into PostgreSQL. It runs in the environment of the image `sources`.

python -m tests.benchmarks.stores.orders SCALE writes into the database of SHOP_HOST, SHOP_PORT, SHOP_DATABASE,
SHOP_USER and SHOP_PASSWORD.
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from petco import columns, database, shop

ANCHOR = date(2026, 11, 1)
"""The day that the two years end: fixed, so that each run has the same rows."""
SEED = 7
OF_CUSTOMER = (
    "email", "first_name", "last_name", "country", "city", "acquisition_channel", "marketing_opt_in",
)  # fmt: skip


def cents(items: pa.Table, column: str) -> np.ndarray:
    """Return a column of amounts as whole cents, exact: they are far below 2**53."""
    return np.rint(items[column].cast(pa.float64()).to_numpy() * 100).astype(np.int64)


def orders(recipe: shop.Recipe) -> pa.Table:
    """Return the orders, with what orders.sql adds to them. Both numbers of the generator ascend from 1."""
    made = shop.generate(recipe)
    table, items = made["orders"], made["order_items"]
    customers = made["customers"].take(pa.array(table["customer_id"].to_numpy() - 1))
    for name in OF_CUSTOMER:
        table = table.append_column(name, customers[name])
    order, pieces = items["order_id"].to_numpy() - 1, items["quantity"].to_numpy()
    discount = cents(items, "discount_amount")
    value = pieces * cents(items, "unit_price") - discount

    def total(weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(order, weights=weights, minlength=table.num_rows).astype(np.int64)

    table = table.append_column("lines", pa.array(total()))
    table = table.append_column("pieces", pa.array(total(pieces)))
    table = table.append_column("order_value", columns.money(total(value)))
    return table.append_column("discount", columns.money(total(discount)))


def main() -> None:
    """Generate and copy, with a line before each."""
    recipe = shop.Recipe(float(sys.argv[1]), SEED, ANCHOR)
    print(f"generate {recipe.orders:,} orders", flush=True)
    table = orders(recipe)
    print(f"copy {table.num_rows:,} orders to PostgreSQL", flush=True)
    with closing(database.connect(database.Server.from_environment())) as connection:
        with connection.transaction():
            connection.execute(Path(__file__).with_suffix(".sql").read_bytes())
            database.copy(connection, "shop", "orders", table, freeze=True)
        connection.execute("alter table shop.orders add primary key (order_id)")
        connection.execute("create index on shop.orders (updated_at)")
        connection.commit()


if __name__ == "__main__":
    main()
