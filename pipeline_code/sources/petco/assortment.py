"""What is sold and where: products and stores."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from petco import columns, vocabulary
from petco.timeline import DAY, Micros, Timeline

STORES = 30
POPULARITY_EXPONENT = 0.95
"""Zipf exponent of product sales: of 2,000 products the first fifth sells about three quarters."""
_CATEGORY_SHARE = np.array([category[1] for category in vocabulary.CATEGORIES])


@dataclass(frozen=True)
class Products:
    """The table, and what orders need of it; all arrays are in order of product number, `created` ascending."""

    table: pa.Table
    created: Micros
    popularity: NDArray[np.float64]
    price: NDArray[np.int64]
    """Today's price in cents."""
    earlier_price: NDArray[np.int64]
    """The price in cents before `repriced`."""
    repriced: Micros


@dataclass(frozen=True)
class Stores:
    """The table, and when each store opened, ascending with the store number."""

    table: pa.Table
    opened: Micros
    size: NDArray[np.float64]


def popularity(seed: int, count: int) -> NDArray[np.float64]:
    """How much each product sells relative to the others: a few heads and a long tail, in an order of the seed's.

    It has its own stream, so that the live writer finds the heads that the generator chose.
    """
    random = np.random.Generator(np.random.PCG64([seed, 0x706F70]))
    return np.asarray(random.permutation(np.arange(1, count + 1, dtype=float) ** -POPULARITY_EXPONENT))


def price_points(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Amounts in EUR as prices a shop shows, in cents: 7.49, 12.99, at least 1.49."""
    half_euros = np.maximum(np.round(amounts * 2), 3).astype(np.int64)
    return half_euros * 50 - 1


def products(random: np.random.Generator, timeline: Timeline, count: int, weight: NDArray[np.float64]) -> Products:
    """`count` products of the given popularity, numbered from 1 in the order in which they were listed."""
    span = timeline.end - timeline.start
    early = round(count * 0.7)
    created = np.sort(
        np.concatenate(
            [
                timeline.start - random.integers(DAY, 700 * DAY, early),
                timeline.start + random.integers(0, span - 20 * DAY, count - early),
            ]
        )
    )
    category = random.choice(len(_CATEGORY_SHARE), count, p=_CATEGORY_SHARE / _CATEGORY_SHARE.sum())
    median = np.array([entry[4] for entry in vocabulary.CATEGORIES])
    price = price_points(median[category] * random.lognormal(0, 0.45, count))
    repriced = np.maximum(created, timeline.start) + random.integers(0, span, count)
    was_repriced = (repriced < timeline.end) & (random.random(count) < 0.5)
    earlier = np.where(was_repriced, price_points(price / 100 * random.uniform(0.86, 1.02, count)), price)
    updated = np.where(was_repriced, repriced, created)
    names, categories, animals = [], [], []
    for index, changed in zip(category, updated, strict=True):
        title, _, kinds, nouns, _ = vocabulary.CATEGORIES[index]
        adjective, material, noun = (
            words[int(random.integers(len(words)))] for words in (vocabulary.ADJECTIVES, vocabulary.MATERIALS, nouns)
        )
        names.append(f"{adjective} {material} {noun}")
        animals.append(kinds[int(random.integers(len(kinds)))])
        renamed = title == vocabulary.RENAMED_CATEGORY and changed >= timeline.renamed
        categories.append(vocabulary.NEW_CATEGORY if renamed else title)
    number = np.arange(1, count + 1)
    table = pa.table(
        {
            "product_id": pa.array(number),
            "sku": pa.array([f"PC-{value:05d}" for value in number], pa.string()),
            "name": pa.array(names, pa.string()),
            "category": pa.array(categories, pa.string()),
            "animal": pa.array(animals, pa.string()),
            "unit_price": columns.money(price),
            "unit_cost": columns.money(np.round(price * random.uniform(0.42, 0.66, count)).astype(np.int64)),
            "active": pa.array(random.random(count) < 0.95),
            "created_at": columns.moment(created),
            "updated_at": columns.moment(updated),
        }
    )
    return Products(table, created, weight, price, earlier, np.where(was_repriced, repriced, 0))


def stores(random: np.random.Generator, timeline: Timeline) -> Stores:
    """30 stores, 24 of them older than the two years, numbered from 1 in the order in which they opened."""
    places = [(city, country) for country, _, cities in vocabulary.COUNTRIES for city in cities[:5]]
    chosen = random.choice(len(places), STORES, replace=False)
    first_day = timeline.anchor - timedelta(days=730)
    days = np.concatenate([-random.integers(30, 3000, STORES - 6), random.integers(20, 600, 6)])
    opened_on: list[date] = [first_day + timedelta(days=int(day)) for day in np.sort(days)]
    opened = np.array([timeline.start + int(day) * DAY for day in np.sort(days)], dtype=np.int64)
    table = pa.table(
        {
            "store_id": pa.array(np.arange(1, STORES + 1)),
            "name": pa.array([f"PetCo {places[index][0]}" for index in chosen], pa.string()),
            "city": pa.array([places[index][0] for index in chosen], pa.string()),
            "country": pa.array([places[index][1] for index in chosen], pa.string()),
            "opened_on": pa.array(opened_on, pa.date32()),
            "updated_at": columns.moment(opened),
        }
    )
    return Stores(table, opened, random.lognormal(0, 0.5, STORES))
