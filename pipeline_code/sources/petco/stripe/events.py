"""What changed: an event for each object made, changed or deleted in the last 30 days."""

from collections.abc import Callable
from dataclasses import dataclass

from petco.stripe import money, objects, purchases
from petco.stripe.feeds import Feed, OfDays, OfOrders, OfPeople, OfRefunds
from petco.stripe.objects import Body
from petco.stripe.people import DELETED_AFTER, Person
from petco.stripe.purchases import Purchase

KEPT = 30 * money.DAY
"""Seconds; older events are gone."""


@dataclass(frozen=True)
class Source:
    """All events of one type. `rank` tells them from those of other types in identifiers."""

    type: str
    rank: int
    feed: Feed


def event(kind: str, rank: int, created: int, number: int, body: Body) -> Body:
    """An event about an object as it was at that moment."""
    return {
        "id": f"evt_{created:011d}{rank:02d}{number:012d}",
        "object": "event",
        "api_version": objects.API_VERSION,
        "created": created,
        "data": {"object": body},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def position(identifier: str) -> tuple[int, int, int] | None:
    """The moment, rank and number of an event's identifier; None for one that can't be an event's."""
    prefix, _, digits = identifier.partition("_")
    if prefix != "evt" or len(digits) != 25 or not digits.isdigit():
        return None
    return int(digits[:11]), int(digits[11:13]), int(digits[13:])


def _of_order(kind: str, rank: int, render: Callable[[Purchase], Body], after: int = 0, every: int = 1) -> Source:
    def seen(order: Purchase) -> Body:
        moment = order.arrived + after
        return event(kind, rank, moment, order.order_id, render(order.seen(moment)))

    return Source(kind, rank, OfOrders(seen, after, every))


def _of_refund(kind: str, rank: int, render: Callable[[Purchase], Body]) -> Source:
    def seen(order: Purchase) -> Body:
        return event(kind, rank, order.updated, order.order_id, render(order.seen(order.updated)))

    return Source(kind, rank, OfRefunds(seen))


def _of_payout(kind: str, rank: int, after: int) -> Source:
    def seen(day: int, cents: int, _at: int) -> Body:
        moment = day * money.DAY + after
        return event(kind, rank, moment, day, objects.payout(day, cents, moment))

    return Source(kind, rank, OfDays(seen, after))


def _created(person: Person, _at: int) -> Body:
    body = objects.customer(person, person.created)
    return event("customer.created", 3, person.created, person.customer_id, body)


def _updated(person: Person, _at: int) -> Body:
    body = objects.customer(person, person.updated)
    return event("customer.updated", 4, person.updated, person.customer_id, body)


def _is_updated(person: Person, _at: int) -> bool:
    gone = person.deleted is not None and person.deleted <= person.updated
    return person.updated > person.created and not gone


def _deleted(person: Person, _at: int) -> Body:
    moment = person.created + DELETED_AFTER
    # What is sent is the customer as it was.
    body = objects.customer(person, person.created)
    return event("customer.deleted", 5, moment, person.customer_id, body)


SOURCES: tuple[Source, ...] = (
    _of_order("charge.succeeded", 0, objects.charge),
    _of_order("charge.failed", 1, objects.declined_charge, every=purchases.DECLINE_EVERY),
    _of_refund("charge.refunded", 2, objects.charge),
    Source("customer.created", 3, OfPeople(_created)),
    Source("customer.updated", 4, OfPeople(_updated, "updated_at", holds=_is_updated)),
    Source(
        "customer.deleted",
        5,
        OfPeople(_deleted, after=DELETED_AFTER, holds=lambda person, _at: person.deleted is not None),
    ),
    _of_refund("refund.created", 6, objects.refund),
    _of_order("charge.dispute.created", 7, objects.dispute, purchases.DISPUTED_AFTER, purchases.DISPUTE_EVERY),
    _of_order("charge.dispute.closed", 8, objects.dispute, purchases.DECIDED_AFTER, purchases.DISPUTE_EVERY),
    _of_payout("payout.created", 9, objects.PAID_OUT_AFTER),
    _of_payout("payout.paid", 10, objects.PAID_OUT_AFTER + money.DAY),
)
"""All types, the frequent ones first."""
