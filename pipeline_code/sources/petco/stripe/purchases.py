"""Orders of the web shop and the app as Stripe sees them: paid when they arrive, refunded when they come back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import LiteralString

from petco.api.shop import Row, Snapshot
from petco.stripe import money, people
from petco.stripe.money import DAY

DISPUTED_AFTER, DECIDED_AFTER = 10 * DAY, 24 * DAY
"""When a customer disputes a charge, and when the bank has decided, counted from the charge."""
DISPUTE_EVERY, DECLINE_EVERY = 251, 37
"""Of this many orders one is disputed, and one is paid at the second attempt."""
_LOST_OF_THREE = 2
"""The company loses two of three disputes."""

# The shop does not keep when an order arrived, and some were made days before that. Numbers are given in order of
# arrival, and of 20 neighbours one was not late: the latest of their times is the moment of arrival.
_ARRIVED: LiteralString = """(
    SELECT floor(extract(epoch FROM max(ordered_at)))::bigint FROM (
        SELECT ordered_at FROM shop.orders WHERE order_id <= {number} ORDER BY order_id DESC LIMIT 21) AS neighbours)"""
_PURCHASES: LiteralString = f"""
    SELECT o.order_id, o.customer_id, o.channel, o.status,
        floor(extract(epoch FROM o.updated_at))::bigint AS updated,
        {_ARRIVED.format(number="o.order_id")} AS arrived,
        (o.shipping_fee * 100)::bigint + l.total AS total, l.returned,
        c.email, c.first_name || ' ' || c.last_name AS name,
        floor(extract(epoch FROM c.created_at))::bigint AS account_opened
    FROM shop.orders AS o
    JOIN shop.customers AS c USING (customer_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity * unit_price - discount_amount) * 100, 0)::bigint AS total,
            coalesce(sum(quantity * unit_price - discount_amount) FILTER (WHERE returned_quantity > 0) * 100, 0)::bigint
                AS returned
        FROM shop.order_items WHERE order_id = o.order_id) AS l
    WHERE o.channel IN ('web', 'app')"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Purchase:
    """One order. Times are seconds since 1970, amounts cents in EUR. `at`: the moment that it is seen at."""

    order_id: int
    customer_id: int
    channel: str
    status: str
    updated: int
    arrived: int
    total: int
    returned: int
    email: str | None
    name: str
    account_opened: int
    at: int

    @classmethod
    def of(cls, row: Row, at: int) -> "Purchase":
        """Makes one of a row of the shop."""
        return cls(**row, at=at)

    def seen(self, at: int) -> "Purchase":
        """The same at an earlier moment."""
        return replace(self, at=min(at, self.at))

    @cached_property
    def currency(self) -> str:
        """What the customer pays in."""
        return money.presentment(self.order_id)

    @property
    def is_guest(self) -> bool:
        """Whether the buyer's customer had been deleted before."""
        deleted = people.deleted_at(self.customer_id, self.account_opened)
        return deleted is not None and deleted <= self.arrived

    @cached_property
    def declined(self) -> bool:
        """Whether the first attempt to pay failed."""
        return self.order_id % DECLINE_EVERY == 0

    @property
    def refunded(self) -> int:
        """Cents that went back: all of a cancelled order, the lines sent back of a returned one."""
        if self.at < self.updated:
            return 0
        return {"cancelled": self.total, "returned": self.returned}.get(self.status, 0)

    @property
    def disputed_at(self) -> int | None:
        """When the charge was disputed; None if it was not, or not yet."""
        moment = self.arrived + DISPUTED_AFTER
        return moment if self.order_id % DISPUTE_EVERY == 0 and moment <= self.at else None

    @property
    def lost(self) -> bool | None:
        """How the dispute ended; None while it has not."""
        if self.disputed_at is None or self.at < self.arrived + DECIDED_AFTER:
            return None
        return self.order_id // DISPUTE_EVERY % 3 < _LOST_OF_THREE

    def presented(self, cents: int) -> int:
        """An amount of this order in the customer's currency."""
        return money.paid(cents, money.exchange_rate(self.currency, self.arrived))


def first_since(snapshot: Snapshot, moment: int, every: int = 1) -> int:
    """The lowest multiple of `every` among the numbers of orders that arrived at `moment` or later.

    One above all numbers, or more, if there is none. Asks for the arrival of some numbers, about 17 of 100,000.
    """
    if moment <= 0:
        return 0
    ends = snapshot.query(
        "SELECT coalesce(min(order_id), 1) AS low, coalesce(max(order_id), 0) + 1 AS high FROM shop.orders"
    )
    low, high = ends[0]["low"] // every, -(-ends[0]["high"] // every)
    while low < high:
        middle = (low + high) // 2
        arrived = snapshot.query(f"SELECT {_ARRIVED.format(number='%(number)s')} AS moment", {"number": middle * every})
        if arrived[0]["moment"] is None or arrived[0]["moment"] < moment:
            low = middle + 1
        else:
            high = middle
    return int(low) * every


def by_number(
    snapshot: Snapshot, low: int, high: int, *, limit: int | None, ascending: bool, every: int, at: int
) -> list[Purchase]:
    """Orders numbered `low` to below `high`, every `every`th number, in order of their numbers."""
    direction: LiteralString = "ASC" if ascending else "DESC"
    statement: LiteralString = f"""{_PURCHASES}
        AND o.order_id >= %(low)s AND o.order_id < %(high)s AND o.order_id %% %(every)s = 0
        ORDER BY o.order_id {direction} LIMIT %(limit)s"""
    rows = snapshot.query(statement, {"low": low, "high": high, "limit": limit, "every": every})
    return [Purchase.of(row, at) for row in rows]


def by_change(
    snapshot: Snapshot, low: tuple[int, int], high: tuple[int, int], *, limit: int | None, ascending: bool, at: int
) -> list[Purchase]:
    """Cancelled and returned orders in order of when they became it and their number, from `low` to below `high`."""
    direction: LiteralString = "ASC" if ascending else "DESC"
    statement: LiteralString = f"""{_PURCHASES}
        AND o.status IN ('cancelled', 'returned')
        AND o.updated_at >= to_timestamp(%(low)s) AND o.updated_at < to_timestamp(%(high)s + 1)
        AND (floor(extract(epoch FROM o.updated_at))::bigint, o.order_id) >= (%(low)s, %(low_number)s)
        AND (floor(extract(epoch FROM o.updated_at))::bigint, o.order_id) < (%(high)s, %(high_number)s)
        ORDER BY floor(extract(epoch FROM o.updated_at)) {direction}, o.order_id {direction} LIMIT %(limit)s"""
    parameters = {"low": low[0], "low_number": low[1], "high": high[0], "high_number": high[1], "limit": limit}
    return [Purchase.of(row, at) for row in snapshot.query(statement, parameters)]


def numbered(snapshot: Snapshot, numbers: Sequence[int], at: int) -> dict[int, Purchase]:
    """The orders of these numbers, those of a store and unknown ones left out."""
    rows = snapshot.query(f"{_PURCHASES} AND o.order_id = ANY(%(numbers)s)", {"numbers": list(numbers)})
    return {row["order_id"]: Purchase.of(row, at) for row in rows}


def first_day(snapshot: Snapshot) -> int:
    """The day of the first order, counted from 1970; far in the future where there is none."""
    statement: LiteralString = """
        SELECT coalesce(floor(extract(epoch FROM min(ordered_at)) / 86400)::bigint, 10000000) AS day
        FROM (SELECT ordered_at FROM shop.orders ORDER BY order_id LIMIT 21) AS first"""
    return int(snapshot.query(statement)[0]["day"])
