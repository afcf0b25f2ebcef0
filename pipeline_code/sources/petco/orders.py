"""Orders and their lines: who buys what, where, at which price, and what becomes of it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from petco import columns, vocabulary
from petco.assortment import Products, Stores
from petco.customers import Customers
from petco.timeline import DAY, HOUR, MINUTE, Micros, Timeline, moments, progress

Integers = NDArray[np.int64]

LATE = 0.005
"""Share of orders that reach the shop's database days after they were made."""
RECENT_BUYER = 0.3
"""Share of orders by customers of the last 60 days, on top of their part in all the others."""
# Shares of web, app and store at the start and at the end of the two years.
_CHANNELS = np.array([[0.56, 0.14, 0.30], [0.45, 0.39, 0.16]])
# Share of orders with 1, 2, … lines, mean 1.88, and of lines with 1, 2, … pieces.
_LINES = np.array([0.48, 0.29, 0.13, 0.07, 0.03])
_PIECES = np.array([0.76, 0.16, 0.05, 0.03])
CANCELLED, RETURNED, LINE_RETURNED = 0.025, 0.07, 0.6
FREE_SHIPPING_CENTS, SHIPPING_CENTS = 4900, 495
_PLACED, _PAID, _SHIPPED, _DELIVERED, _RETURNED, _CANCELLED = range(6)
_STORE = 2


@dataclass(frozen=True)
class Orders:
    """Both tables; order numbers and line numbers ascend from 1 in order of arrival."""

    orders: pa.Table
    items: pa.Table


def pick(random: np.random.Generator, weight: NDArray[np.float64], available: Integers) -> Integers:
    """For each entry, an index below `available` (at least 1), in proportion to the weights."""
    cumulative = np.cumsum(weight)
    drawn = random.random(len(available)) * cumulative[available - 1]
    return np.minimum(np.searchsorted(cumulative, drawn, side="right"), available - 1)


def buyers(random: np.random.Generator, customers: Customers, ordered: Micros) -> Integers:
    """Index of the buyer of each order: active ones more often, new ones more often, none before their account."""
    existing = np.maximum(np.searchsorted(customers.created, ordered, side="right"), 1)
    buyer = pick(random, customers.activity, existing)
    since = np.searchsorted(customers.created, ordered - 60 * DAY, side="right")
    newest = since + (random.random(len(ordered)) * (existing - since)).astype(np.int64)
    recent = (random.random(len(ordered)) < RECENT_BUYER) & (existing > since)
    return np.where(recent, newest, buyer)


def line_counts(random: np.random.Generator, count: int) -> Integers:
    """How many lines each order has."""
    return random.choice(len(_LINES), count, p=_LINES) + 1


def pieces(random: np.random.Generator, count: int) -> Integers:
    """How many pieces each line has."""
    return random.choice(len(_PIECES), count, p=_PIECES) + 1


def discounts(random: np.random.Generator, value: Integers) -> Integers:
    """Discount of each line in cents: 5 to 30 % of one line in eight."""
    share = np.where(random.random(len(value)) < 0.125, random.integers(1, 7, len(value)) * 0.05, 0.0)
    return np.round(value * share).astype(np.int64)


def shipping(channel: Integers, order_value: Integers) -> Integers:
    """Shipping fee in cents: none in a store, none from 49 EUR."""
    return np.where((channel != _STORE) & (order_value < FREE_SHIPPING_CENTS), SHIPPING_CENTS, 0)


def channels(random: np.random.Generator, through: NDArray[np.float64]) -> Integers:
    """Channel of each order; the mix moves from stores to the app over the two years."""
    share = _CHANNELS[0] + through[:, None] * (_CHANNELS[1] - _CHANNELS[0])
    limits = np.cumsum(share, axis=1)
    drawn: Integers = (random.random((len(through), 1)) > limits).sum(axis=1)
    return np.minimum(drawn, _STORE)


def fates(
    random: np.random.Generator, timeline: Timeline, channel: Integers, arrived: Micros
) -> tuple[Integers, Micros]:
    """Status of each order at the end of the two years, and when it got it."""
    count = len(arrived)
    in_store = channel == _STORE
    cancelled = ~in_store & (random.random(count) < CANCELLED)
    sent_back = ~cancelled & (random.random(count) < np.where(in_store, RETURNED / 2, RETURNED))
    paid = arrived + random.exponential(20 * MINUTE, count).astype(np.int64) + MINUTE
    shipped = paid + random.integers(6 * HOUR, 54 * HOUR, count)
    delivered = np.where(in_store, arrived, shipped + random.integers(DAY, 5 * DAY, count))
    returned = delivered + random.integers(2 * DAY, 25 * DAY, count)
    dropped = arrived + random.integers(MINUTE, 12 * HOUR, count)
    end = timeline.end
    # The latest event that has happened by the end; a later one is still to come.
    choices = [
        (cancelled & (dropped < end), _CANCELLED, dropped),
        (sent_back & (returned < end), _RETURNED, returned),
        (~cancelled & (delivered < end), _DELIVERED, delivered),
        (~cancelled & (shipped < end), _SHIPPED, shipped),
        (~cancelled & (paid < end), _PAID, paid),
    ]
    conditions = [condition for condition, _, _ in choices]
    status = np.select(conditions, [np.full(count, value) for _, value, _ in choices], _PLACED)
    return status, np.select(conditions, [when for _, _, when in choices], arrived)


def generate(
    random: np.random.Generator,
    timeline: Timeline,
    count: int,
    *,
    customers: Customers,
    products: Products,
    stores: Stores,
) -> Orders:
    """`count` orders over the two years and their lines, with rows that arrived late."""
    ordered = moments(random, timeline, count)
    late = random.random(count) < LATE
    arrived = ordered + np.where(late, random.integers(DAY, 6 * DAY, count), 0)
    arrived = np.where(arrived < timeline.end, arrived, ordered)
    by_arrival = np.argsort(arrived, kind="stable")
    ordered, arrived = ordered[by_arrival], arrived[by_arrival]
    channel = channels(random, progress(timeline, ordered))
    status, updated = fates(random, timeline, channel, arrived)
    open_stores = np.maximum(np.searchsorted(stores.opened, ordered, side="right"), 1)
    store = pick(random, stores.size, open_stores)

    lines = line_counts(random, count)
    order = np.repeat(np.arange(count), lines)
    listed = np.maximum(np.searchsorted(products.created, ordered, side="right"), 1)[order]
    product = pick(random, products.popularity, listed)
    quantity = pieces(random, len(order))
    earlier = ordered[order] < products.repriced[product]
    price = np.where(earlier, products.earlier_price[product], products.price[product])
    discount = discounts(random, quantity * price)
    line_value = quantity * price - discount
    # An order that was sent back has at least its first line sent back.
    first_line = np.zeros(len(order), dtype=bool)
    first_line[np.cumsum(lines) - lines] = True
    back = (status[order] == _RETURNED) & (first_line | (random.random(len(order)) < LINE_RETURNED))
    order_value = np.bincount(order, weights=line_value, minlength=count).astype(np.int64)
    buyer = buyers(random, customers, ordered)
    items = pa.table(
        {
            "order_item_id": pa.array(np.arange(1, len(order) + 1)),
            "order_id": pa.array(order + 1),
            "product_id": pa.array(product + 1),
            "quantity": pa.array(quantity.astype(np.int32)),
            "unit_price": columns.money(price),
            "discount_amount": columns.money(discount),
            "returned_quantity": pa.array(np.where(back, quantity, 0).astype(np.int32)),
            "updated_at": columns.moment(np.where(back, updated[order], arrived[order])),
        }
    )
    orders = pa.table(
        {
            "order_id": pa.array(np.arange(1, count + 1)),
            "customer_id": pa.array(buyer + 1),
            "store_id": pa.array(store + 1, mask=channel != _STORE),
            "channel": columns.text(vocabulary.CHANNELS, channel),
            "status": columns.text(vocabulary.STATUSES, status),
            "currency": columns.text((vocabulary.CURRENCY,), np.zeros(count, dtype=np.int64)),
            "shipping_fee": columns.money(shipping(channel, order_value)),
            "ordered_at": columns.moment(ordered),
            "updated_at": columns.moment(updated),
        }
    )
    return Orders(orders, items)
