"""Stripe's stand-in over a shop, with a clock of its own, and a tap that reads it."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conftest import SOURCES
from petco.api.app import application
from petco.api.faults import Faults
from petco.api.settings import Access, StripeAccess
from petco.api.shop import Shop as Tables
from petco.database import Server as Address
from tap_stripe.tap import TapStripe
from target_iceberg.settings import Settings
from target_iceberg.target import Target

from tests.pipeline.serving import served

if TYPE_CHECKING:
    from conftest import Server, Shop

KEY = "rk_test_0123456789abcdef"
NOW = 1_780_000_000
"""The time that the stand-in has at first: 2026-05-28."""
ORDERS = 520


@dataclass
class Stripe:
    """The stand-in, with a clock of its own, and a tap that reads it."""

    shop: Shop
    faults: Faults
    url: str = ""
    now: int = NOW
    state: dict[str, Any] = field(default_factory=dict)

    def extract(self, **settings: Any) -> list[dict[str, Any]]:
        """Run the tap from the last state, keep the new one, and return the messages."""
        messages = self.messages(**settings)
        states = [message["value"] for message in messages if message["type"] == "STATE"]
        self.state = states[-1]
        return messages

    def messages(self, **settings: Any) -> list[dict[str, Any]]:
        """Run the tap from the last state and return its messages."""
        return [json.loads(line) for line in self.lines(**settings).splitlines()]

    def lines(self, **settings: Any) -> str:
        """Run the tap from the last state and return its output."""
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        config = {"api_key": KEY, "api_url": self.url, "first_wait_seconds": 0.01, "settle_seconds": 0, **settings}
        with contextlib.redirect_stdout(output):
            TapStripe(config=config, state=json.loads(json.dumps(self.state))).sync_all()
        output.seek(0)
        return output.read()

    def load(self, lines: str) -> None:
        """Run the target over Singer lines, and keep the state that it lets go of."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            try:
                Target(Settings.of({"namespace": self.shop.namespace})).listen(io.StringIO(lines))
            finally:
                for line in output.getvalue().splitlines():
                    self.state = json.loads(line)


def served_stripe(server: Server, shop: Shop) -> Iterator[Stripe]:
    """A shop with two weeks of orders and ten of accounts; every order of the web has a charge."""
    script = (SOURCES / "petco" / "schema.sql").read_text()
    begin = NOW - 14 * 86_400
    shop.execute(
        "drop schema shop cascade",
        script,
        "insert into shop.customers select i, 'c' || i || '@example.com', 'Ada', 'Nr ' || i, 'Poland', 'Wien', 'email',"
        f" true, to_timestamp({NOW - 62 * 86_400} + i * 1000), to_timestamp({NOW - 62 * 86_400} + i * 1000)"
        " from generate_series(1, 120) i",
        "insert into shop.orders select i, 1 + i % 120, null, 'web', 'delivered', 'EUR', 4.95,"
        f" to_timestamp({begin} + i * 2000), to_timestamp({begin} + i * 2000) from generate_series(1, {ORDERS}) i",
        "insert into shop.order_items select i, i, 1, 2, 10 + i * 0.01, 1.5, 0, now()"
        f" from generate_series(1, {ORDERS}) i",
        (SOURCES / "petco" / "control.sql").read_text(),
        "grant usage on schema shop, petco_meta to reader",
        "grant select on all tables in schema shop, petco_meta to reader",
    )
    from conftest import PASSWORD

    made = Stripe(shop, Faults())
    tables = Tables(Address(server.host, server.port, shop.database, "reader", PASSWORD))
    access = Access(stripe=StripeAccess(KEY))
    with served(application(tables, access, clock=lambda: made.now, faults=made.faults)) as address:
        made.url = f"{address}/stripe"
        yield made


def records(messages: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    return [message["record"] for message in messages if message["type"] == "RECORD" and message["stream"] == stream]


def numbers(messages: list[dict[str, Any]]) -> Counter[str]:
    return Counter(message["stream"] for message in messages if message["type"] == "RECORD")


def cancel(stripe: Stripe, order: int, at: int) -> None:
    stripe.shop.execute(
        f"update shop.orders set status = 'cancelled', updated_at = to_timestamp({at}) where order_id = {order}"
    )


def add_order(stripe: Stripe, order: int, at: int) -> None:
    stripe.shop.execute(
        f"insert into shop.orders values ({order}, 3, null, 'web', 'placed', 'EUR', 0, to_timestamp({at}),"
        f" to_timestamp({at}))",
        f"insert into shop.order_items values ({order}, {order}, 1, 1, 60, 0, 0, now())",
    )
