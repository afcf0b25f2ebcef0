"""What happens in a running shop: new orders and customers, progress, returns, new prices."""

from dataclasses import dataclass, fields
from decimal import Decimal

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from petco import assortment, columns, customers, database, orders, vocabulary
from petco.database import Connection
from petco.shop import Recipe
from petco.timeline import DAY

NEW_CUSTOMER = 0.08
"""Share of new orders by customers who have just opened their account."""
CANCELLATION, RETURN = 0.04, 0.12
"""Shares of changed orders that are cancelled or sent back; the others go one step on."""
_PLACED, _DELIVERED, _STORE = 0, 3, 2

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Changes:
    """Rows written, by table and kind."""

    customers_inserted: int = 0
    products_updated: int = 0
    orders_inserted: int = 0
    orders_updated: int = 0
    order_items_inserted: int = 0
    order_items_updated: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def apply(
    connection: Connection, random: np.random.Generator, recipe: Recipe, *, new: int, changed: int, repriced: int
) -> Changes:
    """Writes `new` orders, changes `changed` older ones and `repriced` products in one transaction.

    Every row written carries the transaction's time as `updated_at`. Raises ValueError when fewer than `changed`
    orders can still change; nothing is written then.
    """
    with connection.transaction():
        now = int(_numbers(connection, "SELECT ARRAY[(extract(epoch FROM now()) * 1000000)::bigint]")[0])
        done = _advance(connection, random, changed) if changed else Changes()
        if new:
            done += _sell(connection, random, recipe, new, now)
        if repriced:
            done += _reprice(connection, random, repriced)
    return done


def _numbers(connection: Connection, query: str, *arguments: object) -> Integers:
    """The one array that a query returns; an SQL NULL is an empty one."""
    row = connection.execute(query, arguments).fetchone()
    return np.array([] if row is None or row[0] is None else row[0], dtype=np.int64)


def _open_orders(connection: Connection, limit: int) -> Integers:
    return _numbers(
        connection,
        """SELECT array_agg(order_id ORDER BY order_id) FROM (
               SELECT order_id FROM shop.orders WHERE status IN ('placed', 'paid', 'shipped')
               ORDER BY order_id LIMIT %s FOR UPDATE SKIP LOCKED) AS open""",
        limit,
    )


def _delivered_orders(connection: Connection, limit: int) -> Integers:
    return _numbers(
        connection,
        """SELECT array_agg(order_id ORDER BY order_id) FROM (
               SELECT order_id FROM shop.orders WHERE status = 'delivered'
               ORDER BY order_id DESC LIMIT %s FOR UPDATE SKIP LOCKED) AS recent""",
        limit,
    )


def _advance(connection: Connection, random: np.random.Generator, count: int) -> Changes:
    """Moves orders on by one step, cancels some, takes some back with their lines."""
    # From twice as many of the oldest open ones, so that orders overtake each other as in life.
    candidates = _open_orders(connection, 2 * count)
    moving_count = min(count - int(random.binomial(count, RETURN)), len(candidates))
    moving = np.sort(random.choice(candidates, moving_count, replace=False))
    delivered = _delivered_orders(connection, 20 * (count - moving_count))
    if len(delivered) < count - moving_count:
        raise ValueError(
            f"{count} orders are to change, but there are only {moving_count} open and {len(delivered)} delivered ones"
        )
    back = np.sort(random.choice(delivered, count - moving_count, replace=False))
    dropped = moving[random.random(moving_count) < CANCELLATION]
    connection.execute(
        """UPDATE shop.orders SET updated_at = now(), status = CASE
               WHEN order_id = ANY(%(dropped)s) AND status IN ('placed', 'paid') THEN 'cancelled'
               WHEN status = 'placed' THEN 'paid' WHEN status = 'paid' THEN 'shipped' ELSE 'delivered' END
           WHERE order_id = ANY(%(moving)s)""",
        {"dropped": dropped.tolist(), "moving": moving.tolist()},
    )
    connection.execute(
        "UPDATE shop.orders SET updated_at = now(), status = 'returned' WHERE order_id = ANY(%s)", (back.tolist(),)
    )
    return Changes(orders_updated=count, order_items_updated=_take_back(connection, random, back))


def _take_back(connection: Connection, random: np.random.Generator, order_ids: Integers) -> int:
    """Marks the first line of each order, and most others, as returned; returns how many."""
    rows = connection.execute(
        "SELECT order_id, order_item_id FROM shop.order_items WHERE order_id = ANY(%s) ORDER BY 1, 2",
        (order_ids.tolist(),),
    ).fetchall()
    lines = [(int(str(order)), int(str(line))) for order, line in rows]
    first = dict(reversed(lines))
    back = [line for order, line in lines if first[order] == line or random.random() < orders.LINE_RETURNED]
    connection.execute(
        "UPDATE shop.order_items SET updated_at = now(), returned_quantity = quantity WHERE order_item_id = ANY(%s)",
        (back,),
    )
    return len(back)


def _next(connection: Connection, table: str, column: str, count: int) -> Integers:
    """The next `count` numbers of a table's identity column."""
    return _numbers(
        connection,
        "SELECT array_agg(nextval(pg_get_serial_sequence(%s, %s))) FROM generate_series(1, %s)",
        f"shop.{table}",
        column,
        count,
    )


def _arrivals(connection: Connection, random: np.random.Generator, count: int, now: int) -> Integers:
    """Opens `count` customer accounts and returns their numbers."""
    if count == 0:
        return np.array([], dtype=np.int64)
    numbers = _next(connection, "customers", "customer_id", count)
    channel = customers.acquisition_channels(random, np.ones(count))
    moments = np.full(count, now)
    table = pa.table({**customers.people(random, numbers, channel, moments), "updated_at": columns.moment(moments)})
    database.copy(connection, "shop", "customers", table)
    return numbers


def _sell(connection: Connection, random: np.random.Generator, recipe: Recipe, count: int, now: int) -> Changes:
    known = _numbers(connection, "SELECT array_agg(customer_id ORDER BY customer_id) FROM shop.customers")
    fresh = _arrivals(connection, random, int(random.binomial(count, NEW_CUSTOMER)), now)
    # The square root leans towards younger accounts, which buy more.
    regular = known[(np.sqrt(random.random(count - len(fresh))) * len(known)).astype(np.int64)]
    buyer = random.permutation(np.concatenate([fresh, regular]))
    channel = orders.channels(random, np.ones(count))
    stores = _numbers(connection, "SELECT array_agg(store_id ORDER BY store_id) FROM shop.stores")
    status = np.where(channel == _STORE, _DELIVERED, _PLACED)
    # A phone or a till that was offline reports days later.
    late = np.where(random.random(count) < orders.LATE, random.integers(DAY, 6 * DAY, count), 0)
    numbers = np.sort(_next(connection, "orders", "order_id", count))

    product, price = _on_sale(connection)
    weight = assortment.popularity(recipe.seed, recipe.products)[product - 1]
    lines = orders.line_counts(random, count)
    order = np.repeat(np.arange(count), lines)
    chosen = random.choice(len(product), len(order), p=weight / weight.sum())
    quantity = orders.pieces(random, len(order))
    discount = orders.discounts(random, quantity * price[chosen])
    value = np.bincount(order, weights=quantity * price[chosen] - discount, minlength=count).astype(np.int64)
    database.copy(
        connection,
        "shop",
        "orders",
        pa.table(
            {
                "order_id": pa.array(numbers),
                "customer_id": pa.array(buyer),
                "store_id": pa.array(stores[random.integers(0, len(stores), count)], mask=channel != _STORE),
                "channel": columns.text(vocabulary.CHANNELS, channel),
                "status": columns.text(vocabulary.STATUSES, status),
                "currency": pa.array([vocabulary.CURRENCY] * count),
                "shipping_fee": columns.money(orders.shipping(channel, value)),
                "ordered_at": columns.moment(now - late),
                "updated_at": columns.moment(np.full(count, now)),
            }
        ),
    )
    database.copy(
        connection,
        "shop",
        "order_items",
        pa.table(
            {
                "order_item_id": pa.array(np.sort(_next(connection, "order_items", "order_item_id", len(order)))),
                "order_id": pa.array(numbers[order]),
                "product_id": pa.array(product[chosen]),
                "quantity": pa.array(quantity),
                "unit_price": columns.money(price[chosen]),
                "discount_amount": columns.money(discount),
                "returned_quantity": pa.array(np.zeros(len(order), dtype=np.int64)),
                "updated_at": columns.moment(np.full(len(order), now)),
            }
        ),
    )
    return Changes(customers_inserted=len(fresh), orders_inserted=count, order_items_inserted=len(order))


def _on_sale(connection: Connection) -> tuple[Integers, Integers]:
    """Numbers and prices in cents of the products on sale."""
    rows = connection.execute(
        "SELECT product_id, (unit_price * 100)::bigint FROM shop.products WHERE active ORDER BY product_id"
    ).fetchall()
    if not rows:
        raise psycopg.DataError("shop.products has no active product to sell")
    table = np.array(rows, dtype=np.int64)
    return table[:, 0], table[:, 1]


def _reprice(connection: Connection, random: np.random.Generator, count: int) -> Changes:
    """Gives products a new price; a row of the renamed category takes the new name at the same time."""
    product, price = _on_sale(connection)
    for index in random.choice(len(product), min(count, len(product)), replace=False):
        cents = assortment.price_points(price[[index]] / 100 * random.uniform(0.9, 1.12))[0]
        connection.execute(
            """UPDATE shop.products SET unit_price = %s, updated_at = now(),
                   category = CASE WHEN category = %s THEN %s ELSE category END
               WHERE product_id = %s""",
            (
                Decimal(int(cents)) / 100,
                vocabulary.RENAMED_CATEGORY,
                vocabulary.NEW_CATEGORY,
                int(product[index]),
            ),
        )
    return Changes(products_updated=min(count, len(product)))
