"""Amounts: what a customer pays in which currency, what of it arrives in the company's, and what Stripe keeps.

Amounts are integers in the currency's smallest unit. The company settles in EUR.
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

DAY = 86_400
SETTLEMENT = "eur"
DISPUTE_FEE = 2_000
_FEE_SHARE, _FEE_FIXED = Decimal("0.014"), 25
# What one unit is worth in EUR on the first day of a year, and what each of fifty following days adds. Below 1, so
# that an amount in EUR, converted there and back, is the same to the cent.
_RATES = {"pln": (Decimal("0.2295"), Decimal("0.0001")), "usd": (Decimal("0.9150"), Decimal("0.0004"))}


def presentment(order_id: int) -> str:
    """The currency that the customer pays in: mostly EUR, some orders in PLN and USD."""
    if order_id % 23 == 5:
        return "pln"
    return "usd" if order_id % 41 == 7 else SETTLEMENT


def exchange_rate(currency: str, moment: int) -> Decimal | None:
    """How much EUR one unit was worth on the day of `moment` (seconds since 1970); None for EUR itself."""
    if currency == SETTLEMENT:
        return None
    base, step = _RATES[currency]
    return base + step * (datetime.fromtimestamp(moment, UTC).timetuple().tm_yday % 50)


def paid(cents: int, rate: Decimal | None) -> int:
    """The amount in the customer's currency for `cents` in EUR."""
    return cents if rate is None else _rounded(cents / rate)


def fee(cents: int) -> int:
    """What Stripe keeps of a charge: 1.4 % and 0.25 EUR."""
    return _rounded(cents * _FEE_SHARE) + _FEE_FIXED


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
