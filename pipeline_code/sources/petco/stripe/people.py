"""The shop's accounts as Stripe's customers; some ask to be forgotten after a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString

from petco.api.shop import Row, Snapshot
from petco.stripe.money import DAY

DELETED_AFTER, DELETE_EVERY = 60 * DAY, 97
"""Of this many accounts one is deleted, so long after it was opened. The shop keeps it, and it buys as a guest."""

_PEOPLE: LiteralString = """
    SELECT customer_id, email, first_name || ' ' || last_name AS name, trim(city) AS city, trim(country) AS country,
        floor(extract(epoch FROM created_at))::bigint AS created,
        floor(extract(epoch FROM updated_at))::bigint AS updated
    FROM shop.customers"""


def deleted_at(customer_id: int, created: int) -> int | None:
    """When an account is deleted; None for one that stays."""
    return created + DELETED_AFTER if customer_id % DELETE_EVERY == 0 else None


@dataclass(frozen=True)
class Person:
    """One account. Times are seconds since 1970."""

    customer_id: int
    email: str | None
    name: str
    city: str
    country: str
    created: int
    updated: int

    @classmethod
    def of(cls, row: Row) -> "Person":
        """Makes one of a row of the shop."""
        return cls(**row)

    @property
    def deleted(self) -> int | None:
        """When it is deleted; None if it stays."""
        return deleted_at(self.customer_id, self.created)


def by_moment(
    snapshot: Snapshot,
    column: Literal["created_at", "updated_at"],
    low: tuple[int, int],
    high: tuple[int, int],
    *,
    limit: int | None,
    ascending: bool,
) -> list[Person]:
    """Accounts in order of one of their times and their number, from `low` to below `high`."""
    moment: LiteralString = f"floor(extract(epoch FROM {column}))::bigint"
    direction: LiteralString = "ASC" if ascending else "DESC"
    statement: LiteralString = f"""{_PEOPLE}
        WHERE ({moment}, customer_id) >= (%(low)s, %(low_number)s)
        AND ({moment}, customer_id) < (%(high)s, %(high_number)s)
        ORDER BY {moment} {direction}, customer_id {direction} LIMIT %(limit)s"""
    parameters = {"low": low[0], "low_number": low[1], "high": high[0], "high_number": high[1], "limit": limit}
    return [Person.of(row) for row in snapshot.query(statement, parameters)]


def numbered(snapshot: Snapshot, numbers: Sequence[int]) -> dict[int, Person]:
    """The accounts of these numbers, deleted ones too."""
    rows = snapshot.query(f"{_PEOPLE} WHERE customer_id = ANY(%(numbers)s)", {"numbers": list(numbers)})
    return {row["customer_id"]: Person.of(row) for row in rows}
