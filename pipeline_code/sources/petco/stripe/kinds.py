"""The lists of the API: which sequences each is made of, and how an identifier finds its object."""

from dataclasses import dataclass

from petco.api.shop import Snapshot
from petco.stripe import events, money, objects, purchases
from petco.stripe.feeds import EARNINGS, Feed, Item, OfDays, OfOrders, OfPeople, OfRefunds, Part
from petco.stripe.objects import Body

Key = tuple[int, int, int]
"""Where an object is in a list: its moment, the rank of its sequence, its number there."""


@dataclass(frozen=True)
class Kind:
    """One list: its name in URLs, its objects' name, and its sequences by their identifiers' prefix.

    The densest sequence is first: what it has decides how far the others are read.
    """

    plural: str
    singular: str
    feeds: dict[str, Feed]
    filters: frozenset[str] = frozenset()

    def key(self, snapshot: Snapshot, identifier: str, at: int) -> Key | None:
        """Returns where the object of that identifier is; None if there is none."""
        if self.plural == "events":
            return events.position(identifier)
        ranked = {prefix: rank for rank, prefix in enumerate(self.feeds)}
        prefix = identifier.rpartition("_")[0]
        found = self.find(snapshot, [identifier], at).get(identifier)
        return None if found is None else (found.position[0], ranked[prefix], found.position[1])

    def find(self, snapshot: Snapshot, identifiers: list[str], at: int) -> dict[str, Item]:
        """Returns the objects of those identifiers that are there."""
        found: dict[str, Item] = {}
        for prefix, feed in self.feeds.items():
            numbers = {
                identifier: number
                for identifier in identifiers
                if identifier.rpartition("_")[0] == prefix and (number := objects.number(identifier)) is not None
            }
            there = feed.find(snapshot, sorted(set(numbers.values())), at) if numbers else {}
            found |= {identifier: there[number] for identifier, number in numbers.items() if number in there}
        return found


KINDS = {
    kind.plural: kind
    for kind in (
        Kind(
            "charges",
            "charge",
            {
                "ch": OfOrders(objects.charge),
                "ch_declined": OfOrders(objects.declined_charge, every=purchases.DECLINE_EVERY),
            },
        ),
        Kind("refunds", "refund", {"re": OfRefunds(objects.refund)}, frozenset({"charge"})),
        Kind(
            "disputes",
            "dispute",
            {"du": OfOrders(objects.dispute, purchases.DISPUTED_AFTER, purchases.DISPUTE_EVERY)},
            frozenset({"charge"}),
        ),
        Kind(
            "customers",
            "customer",
            {"cus": OfPeople(objects.customer, holds=lambda person, at: person.deleted is None or person.deleted > at)},
        ),
        Kind("payouts", "payout", {"po": OfDays(objects.payout)}),
        Kind(
            "balance_transactions",
            "balance_transaction",
            {
                **dict(zip(("txn_ch", "txn_re", "txn_du", "txn_duw"), EARNINGS, strict=True)),
                "txn_po": OfDays(objects.payout_transaction),
            },
            frozenset({"payout"}),
        ),
        Kind("events", "event", {source.type: source.feed for source in events.SOURCES}, frozenset({"type", "types"})),
    )
}
_BY_PREFIX = {prefix: kind for kind in KINDS.values() if kind.plural != "events" for prefix in kind.feeds}


def expanded(snapshot: Snapshot, bodies: list[Body], field: str, at: int) -> bool:
    """Puts the object in the place of its identifier in a field of all bodies; returns whether that can be done."""
    identifiers = [body[field] for body in bodies if isinstance(body.get(field), str)]
    if bodies and all(field not in body for body in bodies):
        return False
    found: dict[str, Item] = {}
    for prefix in {identifier.rpartition("_")[0] for identifier in identifiers}:
        if prefix not in _BY_PREFIX:
            return False
        found |= _BY_PREFIX[prefix].find(snapshot, identifiers, at)
    for body in bodies:
        if body.get(field) in found:
            body[field] = found[body[field]].body
    return True


def day_of(payout: str) -> Part | None:
    """Returns the part of the balance transactions that a payout paid out; None for no payout's identifier."""
    prefix, number = payout.rpartition("_")[0], objects.number(payout)
    if prefix != "po" or number is None:
        return None
    return Part((number * money.DAY, 0), ((number + 1) * money.DAY, 0), 0, None)
