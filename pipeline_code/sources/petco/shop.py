"""The whole shop as Arrow tables: a pure function of scale, seed and anchor date."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from petco import assortment, customers, orders
from petco.timeline import Timeline

GENERATOR_VERSION = 1
"""Goes up with every change of the rows that a given scale, seed and anchor date make."""


@dataclass(frozen=True)
class Recipe:
    """What decides every row. Scale 1 is 20,000 customers, 2,000 products and 1,000,000 orders; 30 stores always."""

    scale: float
    seed: int
    anchor: date

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 100:
            raise ValueError(f"scale must be above 0 and at most 100, not {self.scale}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")

    @property
    def customers(self) -> int:
        """Number of customers, at least 10."""
        return max(10, round(20_000 * self.scale))

    @property
    def products(self) -> int:
        """Number of products, at least 10."""
        return max(10, round(2_000 * self.scale))

    @property
    def orders(self) -> int:
        """Number of orders, at least 1."""
        return max(1, round(1_000_000 * self.scale))


def generate(recipe: Recipe) -> dict[str, pa.Table]:
    """The five tables by name, in an order in which references point backwards."""
    timeline = Timeline(recipe.anchor)
    # A stream of randomness a table: a change to one leaves the draws of the others alone.
    streams = [np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(recipe.seed).spawn(4)]
    people = customers.generate(streams[0], timeline, recipe.customers)
    goods = assortment.products(
        streams[1], timeline, recipe.products, assortment.popularity(recipe.seed, recipe.products)
    )
    places = assortment.stores(streams[2], timeline)
    sales = orders.generate(streams[3], timeline, recipe.orders, customers=people, products=goods, stores=places)
    return {
        "customers": people.table,
        "products": goods.table,
        "stores": places.table,
        "orders": sales.orders,
        "order_items": sales.items,
    }
