"""Stripe's objects, in the shape of API version 2026-08-26.dahlia, out of orders and accounts."""

from typing import Any

from petco.stripe import money
from petco.stripe.people import Person
from petco.stripe.purchases import DECIDED_AFTER, Purchase

API_VERSION = "2026-08-26.dahlia"
PAID_OUT_AFTER = 2 * money.DAY
"""Money of a day is paid out at 00:00 UTC two days later, and in the bank another day after that."""
Body = dict[str, Any]


def number(identifier: str) -> int | None:
    """The number in an identifier such as ch_0000000000000042; None where there is none."""
    digits = identifier.rpartition("_")[2]
    return int(digits) if digits.isdigit() else None


def name(prefix: str, of: int) -> str:
    """An identifier."""
    return f"{prefix}_{of:016d}"


def charge(order: Purchase) -> Body:
    """The charge that paid an order."""
    amount, back = order.presented(order.total), order.presented(order.refunded)
    disputed = order.disputed_at is not None
    return {
        **_attempt(order),
        "id": name("ch", order.order_id),
        "amount_captured": amount,
        "amount_refunded": back,
        "balance_transaction": name("txn_ch", order.order_id),
        "disputed": disputed,
        "outcome": {"network_status": "approved_by_network", "reason": None, "type": "authorized"},
        "paid": True,
        "refunded": back == amount,
        "status": "succeeded",
    }


def declined_charge(order: Purchase) -> Body:
    """The first attempt to pay an order, which the bank declined."""
    return {
        **_attempt(order),
        "id": name("ch_declined", order.order_id),
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "disputed": False,
        "failure_code": "card_declined",
        "failure_message": "Your card has insufficient funds.",
        "outcome": {"network_status": "declined_by_network", "reason": "insufficient_funds", "type": "issuer_declined"},
        "paid": False,
        "refunded": False,
        "status": "failed",
    }


def _attempt(order: Purchase) -> Body:
    return {
        "object": "charge",
        "amount": order.presented(order.total),
        "billing_details": {"email": order.email, "name": order.name, "address": None, "phone": None},
        "captured": True,
        "created": order.arrived,
        "currency": order.currency,
        "customer": None if order.is_guest else name("cus", order.customer_id),
        "description": f"PetCo order {order.order_id}",
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {"order_id": str(order.order_id), "channel": order.channel},
        "payment_intent": name("pi", order.order_id),
        "payment_method_details": {"type": "card", "card": {"brand": "visa" if order.order_id % 3 else "mastercard"}},
        "receipt_email": order.email,
        "statement_descriptor": "PETCO",
    }


def refund(order: Purchase) -> Body:
    """What went back of a cancelled or returned order."""
    return {
        "id": name("re", order.order_id),
        "object": "refund",
        "amount": order.presented(order.refunded),
        "balance_transaction": name("txn_re", order.order_id),
        "charge": name("ch", order.order_id),
        "created": order.updated,
        "currency": order.currency,
        "metadata": {"order_id": str(order.order_id), "order_status": order.status},
        "payment_intent": name("pi", order.order_id),
        "reason": "requested_by_customer",
        "status": "succeeded",
    }


def dispute(order: Purchase) -> Body:
    """A disputed charge; the bank takes the money back until it has decided."""
    created = order.arrived + DECIDED_AFTER if order.disputed_at is None else order.disputed_at
    status = {None: "needs_response", True: "lost", False: "won"}[order.lost]
    transactions = [dispute_transaction(order)] + ([reversal_transaction(order)] if order.lost is False else [])
    return {
        "id": name("du", order.order_id),
        "object": "dispute",
        "amount": order.presented(order.total),
        "balance_transactions": transactions,
        "charge": name("ch", order.order_id),
        "created": created,
        "currency": order.currency,
        "enhanced_eligibility_types": [],
        "evidence": {"customer_email_address": order.email, "customer_name": order.name},
        "evidence_details": {"due_by": created + 7 * money.DAY, "has_evidence": False, "submission_count": 0},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": name("pi", order.order_id),
        "reason": "fraudulent" if order.order_id % 2 else "product_not_received",
        "status": status,
    }


def customer(person: Person, at: int) -> Body:
    """An account, or what is left of a deleted one."""
    identifier = name("cus", person.customer_id)
    if person.deleted is not None and person.deleted <= at:
        return {"id": identifier, "object": "customer", "deleted": True}
    return {
        "id": identifier,
        "object": "customer",
        "address": {"city": person.city, "country": person.country},
        "created": person.created,
        "currency": None,
        "delinquent": False,
        "description": None,
        "email": person.email,
        "livemode": False,
        "metadata": {"customer_id": str(person.customer_id)},
        "name": person.name,
        "phone": None,
    }


def payout(day: int, cents: int, at: int) -> Body:
    """What a day (counted from 1970) brought, sent to the company's bank account."""
    created = day * money.DAY + PAID_OUT_AFTER
    arrival = created + money.DAY
    return {
        "id": name("po", day),
        "object": "payout",
        "amount": cents,
        "arrival_date": arrival,
        "automatic": True,
        "balance_transaction": name("txn_po", day),
        "created": created,
        "currency": money.SETTLEMENT,
        "description": "STRIPE PAYOUT",
        "failure_code": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "status": "paid" if arrival <= at else "in_transit",
        "type": "bank_account",
    }


def charge_transaction(order: Purchase) -> Body:
    """What a charge brought."""
    return _transaction(order, "charge", order.arrived, order.total, money.fee(order.total))


def refund_transaction(order: Purchase) -> Body:
    """What a refund cost; Stripe keeps the charge's fee."""
    return _transaction(order, "refund", order.updated, -order.refunded)


def dispute_transaction(order: Purchase) -> Body:
    """What a dispute takes, with its fee."""
    created = order.disputed_at if order.disputed_at is not None else order.arrived
    return _transaction(order, "dispute", created, -order.total, money.DISPUTE_FEE)


def reversal_transaction(order: Purchase) -> Body:
    """What a dispute that was won gives back; the fee stays."""
    created = order.arrived + DECIDED_AFTER
    return _transaction(order, "dispute_reversal", created, order.total)


def payout_transaction(day: int, cents: int, at: int) -> Body:
    """What a payout takes out of the balance."""
    created = day * money.DAY + PAID_OUT_AFTER
    return {
        "id": name("txn_po", day),
        "object": "balance_transaction",
        "amount": -cents,
        "available_on": created,
        "balance_type": "payments",
        "created": created,
        "currency": money.SETTLEMENT,
        "description": "STRIPE PAYOUT",
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": -cents,
        "reporting_category": "payout",
        "source": name("po", day),
        "status": "available" if created <= at else "pending",
        "type": "payout",
    }


# Reporting category: prefixes of the transaction and of its source, type.
_CATEGORIES = {
    "charge": ("txn_ch", "ch", "charge"),
    "refund": ("txn_re", "re", "refund"),
    "dispute": ("txn_du", "du", "adjustment"),
    "dispute_reversal": ("txn_duw", "du", "adjustment"),
}


def _transaction(order: Purchase, category: str, created: int, cents: int, fee: int = 0) -> Body:
    prefix, source, kind = _CATEGORIES[category]
    available = created // money.DAY * money.DAY + PAID_OUT_AFTER
    rate = money.exchange_rate(order.currency, order.arrived)
    details = [{"amount": fee, "currency": money.SETTLEMENT, "description": "Stripe fees", "type": "stripe_fee"}]
    return {
        "id": name(prefix, order.order_id),
        "object": "balance_transaction",
        "amount": cents,
        "available_on": available,
        "balance_type": "payments",
        "created": created,
        "currency": money.SETTLEMENT,
        "description": f"PetCo order {order.order_id}",
        "exchange_rate": None if rate is None else float(rate),
        "fee": fee,
        "fee_details": details if fee else [],
        "net": cents - fee,
        "reporting_category": category,
        "source": name(source, order.order_id),
        "status": "available" if available <= order.at else "pending",
        "type": kind,
    }
