"""Each kind of object as a sequence, newest first; requests read parts of it from the shop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from petco.api.shop import Snapshot
from petco.stripe import money, objects, people, purchases
from petco.stripe.objects import Body
from petco.stripe.people import Person
from petco.stripe.purchases import Purchase

Position = tuple[int, int]
DAY = money.DAY


@dataclass(frozen=True)
class Item:
    """One object: where it is in its sequence, and itself."""

    position: Position
    body: Body


@dataclass(frozen=True)
class Part:
    """Which part of a sequence to read; `limit` None is all of it. `at`: the moment that it is seen at."""

    low: Position
    high: Position
    at: int
    limit: int | None
    ascending: bool = False

    def until_now(self) -> "Part":
        """The same without what is still to come."""
        return Part(self.low, min(self.high, (self.at + 1, 0)), self.at, self.limit, self.ascending)


class Feed(Protocol):
    """A sequence."""

    def read(self, snapshot: Snapshot, part: Part) -> list[Item]:
        """Returns a part, in its order."""

    def find(self, snapshot: Snapshot, numbers: Sequence[int], at: int) -> dict[int, Item]:
        """Returns the objects of these numbers, as far as they are there."""


@dataclass(frozen=True)
class OfOrders:
    """What happens a fixed time after an order's arrival, to every `every`th order for which `holds`."""

    render: Callable[[Purchase], Body]
    after: int = 0
    every: int = 1
    holds: Callable[[Purchase], bool] = lambda _order: True

    def read(self, snapshot: Snapshot, part: Part) -> list[Item]:
        """Returns a part, in its order."""
        part = part.until_now()
        low = self._number(snapshot, part.low)
        high = self._number(snapshot, part.high)
        found: list[Item] = []
        while part.limit is None or len(found) < part.limit:
            orders = purchases.by_number(
                snapshot, low, high, limit=part.limit, ascending=part.ascending, every=self.every, at=part.at
            )
            found += [self._item(order) for order in orders if self.holds(order)]
            if part.limit is None or len(orders) < part.limit:
                break
            low, high = (orders[-1].order_id + 1, high) if part.ascending else (low, orders[-1].order_id)
        return found[: part.limit]

    def find(self, snapshot: Snapshot, numbers: Sequence[int], at: int) -> dict[int, Item]:
        """Returns the objects of these numbers, as far as they are there."""
        wanted = [number for number in numbers if number % self.every == 0]
        found = purchases.numbered(snapshot, wanted, at) if wanted else {}
        return {
            number: self._item(order)
            for number, order in found.items()
            if order.arrived + self.after <= at and self.holds(order)
        }

    def _item(self, order: Purchase) -> Item:
        return Item((order.arrived + self.after, order.order_id), self.render(order))

    def _number(self, snapshot: Snapshot, position: Position) -> int:
        moment, number = position
        return number if number > 0 else purchases.first_since(snapshot, moment - self.after, self.every)


@dataclass(frozen=True)
class OfRefunds:
    """What happens when an order is cancelled or returned."""

    render: Callable[[Purchase], Body]

    def read(self, snapshot: Snapshot, part: Part) -> list[Item]:
        """Returns a part, in its order."""
        part = part.until_now()
        orders = purchases.by_change(
            snapshot, part.low, part.high, limit=part.limit, ascending=part.ascending, at=part.at
        )
        return [self._item(order) for order in orders]

    def find(self, snapshot: Snapshot, numbers: Sequence[int], at: int) -> dict[int, Item]:
        """Returns the objects of these numbers, as far as they are there."""
        found = purchases.numbered(snapshot, numbers, at)
        return {number: self._item(order) for number, order in found.items() if order.refunded > 0}

    def _item(self, order: Purchase) -> Item:
        return Item((order.updated, order.order_id), self.render(order))


@dataclass(frozen=True)
class OfPeople:
    """What happens when an account is opened or changed, or `after` that."""

    render: Callable[[Person, int], Body]
    column: Literal["created_at", "updated_at"] = "created_at"
    after: int = 0
    holds: Callable[[Person, int], bool] = lambda _person, _at: True

    def read(self, snapshot: Snapshot, part: Part) -> list[Item]:
        """Returns a part, in its order."""
        part = part.until_now()
        low, high = ((moment - self.after, number) for moment, number in (part.low, part.high))
        found: list[Item] = []
        while part.limit is None or len(found) < part.limit:
            accounts = people.by_moment(snapshot, self.column, low, high, limit=part.limit, ascending=part.ascending)
            found += [self._item(person, part.at) for person in accounts if self.holds(person, part.at)]
            if part.limit is None or len(accounts) < part.limit:
                break
            moment, number = self._moment(accounts[-1]), accounts[-1].customer_id
            low, high = ((moment, number + 1), high) if part.ascending else (low, (moment, number))
        return found[: part.limit]

    def find(self, snapshot: Snapshot, numbers: Sequence[int], at: int) -> dict[int, Item]:
        """Returns the objects of these numbers, as far as they are there; deleted customers are."""
        return {
            number: self._item(person, at)
            for number, person in people.numbered(snapshot, numbers).items()
            if self._moment(person) + self.after <= at
        }

    def _moment(self, person: Person) -> int:
        return person.created if self.column == "created_at" else person.updated

    def _item(self, person: Person, at: int) -> Item:
        return Item((self._moment(person) + self.after, person.customer_id), self.render(person, at))


@dataclass(frozen=True)
class OfDays:
    """What happens with the money of a day, `after` its first second: the sum of its balance transactions."""

    render: Callable[[int, int, int], Body]
    after: int = objects.PAID_OUT_AFTER

    def read(self, snapshot: Snapshot, part: Part) -> list[Item]:
        """Returns a part, in its order."""
        part = part.until_now()
        low, high = (self._day(position) for position in (part.low, part.high))
        low = max(low, purchases.first_day(snapshot))
        # Days without any money are rare: as many days as objects, and again if that was too few.
        step = part.limit if part.limit is not None else max(high - low, 1)
        found: list[Item] = []
        while low < high and (part.limit is None or len(found) < part.limit):
            begin, end = (low, min(low + step, high)) if part.ascending else (max(high - step, low), high)
            sums = sums_of_days(snapshot, begin, end, part.at)
            days = sorted(sums, reverse=not part.ascending)
            found += [self._item(day, sums[day], part.at) for day in days]
            low, high = (end, high) if part.ascending else (low, begin)
        return found[: part.limit]

    def find(self, snapshot: Snapshot, numbers: Sequence[int], at: int) -> dict[int, Item]:
        """Returns the objects of these numbers, as far as they are there."""
        sums: dict[int, int] = {}
        for day in numbers:
            sums |= sums_of_days(snapshot, day, day + 1, at)
        return {day: self._item(day, cents, at) for day, cents in sums.items() if day * DAY + self.after <= at}

    def _day(self, position: Position) -> int:
        moment, number = position
        return number if number > 0 else -(-(moment - self.after) // DAY)

    def _item(self, day: int, cents: int, at: int) -> Item:
        return Item((day * DAY + self.after, day), self.render(day, cents, at))


EARNINGS: tuple[Feed, ...] = (
    OfOrders(objects.charge_transaction),
    OfRefunds(objects.refund_transaction),
    OfOrders(objects.dispute_transaction, purchases.DISPUTED_AFTER, purchases.DISPUTE_EVERY),
    OfOrders(
        objects.reversal_transaction,
        purchases.DECIDED_AFTER,
        purchases.DISPUTE_EVERY,
        lambda order: order.lost is False,
    ),
)
"""All balance transactions but those of payouts."""


def sums_of_days(snapshot: Snapshot, low: int, high: int, at: int) -> dict[int, int]:
    """Net cents of each day from `low` to below `high` (counted from 1970) that has a balance transaction."""
    sums: dict[int, int] = {}
    part = Part((low * DAY, 0), (high * DAY, 0), at, None)
    for feed in EARNINGS:
        for item in feed.read(snapshot, part):
            day = item.position[0] // DAY
            sums[day] = sums.get(day, 0) + item.body["net"]
    return sums
