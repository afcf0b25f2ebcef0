"""The example's sources as they change at random, and what ingestion would have written of them to `raw`.

Deterministic by its seed. Beside rows in every way that a stream can be written it has what trips models: deletions, a
clock that is set back, several changes of a row within one load, rows that are read again unchanged.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

CONTRACTS = Path(__file__).resolve().parents[2] / "pipeline_code" / "ingestion" / "contracts"
Row = dict[str, Any]
STATUSES = ("placed", "paid", "shipped", "delivered", "returned", "cancelled")
BEGIN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
TYPES = {"text": "varchar", "timestamptz": "timestamp(6) with time zone", "numeric": "decimal"}
LOG, HARD, SOFT, PLAIN = "log", "hard", "soft", "plain"
"""Ways of writing: changes of the log appended; merged, deleted rows removed; merged, marked; versions appended."""
KEYS = {"customers": "customer_id", "products": "product_id", "stores": "store_id", "orders": "order_id",
        "order_items": "order_item_id"}  # fmt: skip


def columns(path: Path) -> dict[str, str]:
    """Return the columns of a contract with Trino's types, and what ingestion adds."""
    found = yaml.safe_load(path.read_text())["columns"]
    kinds = {name: each["type"] if isinstance(each, dict) else each for name, each in found.items()}
    named = {name: TYPES.get(kind, kind.replace("numeric", "decimal")) for name, kind in kinds.items()}
    return {**named, "_loaded_at": TYPES["timestamptz"]}


@dataclass
class Stream:
    """A table of `raw`: its columns, how it is written, all rows that it holds, and those that the source has now."""

    name: str
    key: str
    write: str
    columns: dict[str, str]
    raw: list[Row] = field(default_factory=list)
    live: dict[Any, Row] = field(default_factory=dict)
    events: list[tuple[Any, Row | None, dt.datetime]] = field(default_factory=list)

    def put(self, row: Row, at: dt.datetime) -> None:
        """Insert or update a row in the source."""
        self.live[row[self.key]] = row
        self.events.append((row[self.key], row, at))

    def remove(self, key: Any, at: dt.datetime) -> None:
        """Delete a row from the source."""
        del self.live[key]
        self.events.append((key, None, at))

    def load(self, loaded_at: dt.datetime, first_lsn: int) -> None:
        """Write what happened since the last load."""
        events, self.events = self.events, []
        newest = {key: (row, at) for key, row, at in events}
        if self.write == LOG:
            for number, (key, row, at) in enumerate(events):
                told = {self.key: key, "_sdc_deleted_at": at} if row is None else row
                self.raw.append({**told, "_sdc_lsn": first_lsn + number, "_loaded_at": loaded_at})
        elif self.write == PLAIN:
            self.raw += [{**row, "_loaded_at": loaded_at} for row, _ in newest.values() if row is not None]
        else:
            held = {each[self.key]: each for each in self.raw}
            for key, (row, at) in newest.items():
                if row is not None:
                    held[key] = {**row, "_loaded_at": loaded_at}
                elif self.write == SOFT and key in held:
                    held[key] = {**held[key], "_sdc_deleted_at": at, "_loaded_at": loaded_at}
                else:
                    held.pop(key, None)
            self.raw = list(held.values())

    def read_again(self, loaded_at: dt.datetime) -> None:
        """Append all rows once more, as a complete read does."""
        self.raw += [{**row, "_loaded_at": loaded_at} for row in self.live.values()]


class Sources:
    """Shop, Stripe and Salesforce. `load()` lets time pass, changes them, and loads every stream."""

    def __init__(self, seed: int) -> None:
        """Begin with empty sources; each table of the shop is written in a way of its own choice."""
        self.random = random.Random(seed)
        self.streams: dict[str, Stream] = {}
        for path in sorted(CONTRACTS.glob("*/[!_]*.yml")):
            shop = path.parent.name == "shop"
            write = self.random.choice((LOG, HARD, SOFT)) if shop and path.stem != "stores" else PLAIN
            found = columns(path)
            if write in (LOG, SOFT) or path.stem == "stripe_customers":
                found["_sdc_deleted_at"] = TYPES["timestamptz"]
            if write == LOG:
                found["_sdc_lsn"] = "bigint"
            key = KEYS[path.stem] if shop else next(iter(found))
            self.streams[path.stem] = Stream(path.stem, key, write, found)
        self._loads, self._clock, self._next = 0, BEGIN, 0

    def load(self, changes: int) -> None:
        """Change the sources and load every stream."""
        if self._loads and self.random.random() < 0.5:
            self._clock -= dt.timedelta(days=self.random.randint(1, 3), seconds=7)
        for _ in range(changes):
            self._clock += dt.timedelta(seconds=self.random.randint(0, 90))
            self._change()
        self._loads += 1
        loaded_at = BEGIN + dt.timedelta(days=10 * self._loads)
        for stream in self.streams.values():
            stream.load(loaded_at, self._loads * 1000)
        self.streams["stores"].read_again(loaded_at + dt.timedelta(hours=1))

    def statements(self, schema: str) -> Iterator[str]:
        """Yield what makes the tables of `raw`."""
        for stream in self.streams.values():
            names = ", ".join(f'"{name}"' for name in stream.columns)
            kinds = ", ".join(f'"{name}" {kind}' for name, kind in stream.columns.items())
            yield f"create or replace table {schema}.{stream.name} ({kinds})"
            for start in range(0, len(stream.raw), 200):
                rows = ",\n".join(
                    "(" + ", ".join(literal(row.get(name)) for name in stream.columns) + ")"
                    for row in stream.raw[start : start + 200]
                )
                yield f"insert into {schema}.{stream.name} ({names}) values {rows}"

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _some(self, stream: str) -> Row | None:
        rows = list(self.streams[stream].live.values())
        return self.random.choice(rows) if rows else None

    def _change(self) -> None:
        pick = self.random.random()
        if pick < 0.1:
            self._delete()
        elif pick < 0.35:
            self._order()
        elif pick < 0.7:
            self._update()
        elif pick < 0.9:
            self._insert()
        else:
            self._sell_wholesale()

    def _put(self, stream: str, row: Row, **changed: Any) -> Row:
        found = {**row, **changed, "updated_at": self._clock}
        self.streams[stream].put(found, self._clock)
        return found

    def _insert(self) -> None:
        number, choose = self._number(), self.random.choice
        kind = choose(("customers", "customers", "products", "stores"))
        if kind == "customers":
            mail = choose((None, f"a{number}@mail.example", f"b@shop{number % 5}.test"))
            self._put(kind, {
                "customer_id": number, "email": mail, "first_name": "Ann", "last_name": f"N{number}",
                "country": choose(("Germany", " france")), "city": choose(("köln", "Bonn")), "created_at": self._clock,
                "acquisition_channel": "social", "marketing_opt_in": choose((True, False)),
            })  # fmt: skip
            self._stripe_customer(number, mail)
        elif kind == "products":
            category = choose(("Chews", "Chew toys", "Balls"))
            self._put(kind, {
                "product_id": number, "sku": f"S{number}", "name": f"P{number}", "category": category, "animal": "dog",
                "unit_price": Decimal("9.99"), "unit_cost": Decimal("4.00"), "active": True, "created_at": self._clock,
            })  # fmt: skip
            self._salesforce("products", number, Name=f"P{number}", ProductCode=f"s{number}", IsActive=True)
        else:
            opened = self._clock.date()
            self._put(kind, {"store_id": number, "name": f"Store {number}", "city": "Bonn", "country": "Germany",
                             "opened_on": opened})  # fmt: skip

    def _order(self) -> None:
        customer, product, store = self._some("customers"), self._some("products"), self._some("stores")
        if customer is None or product is None:
            return
        number = self._number()
        channel = self.random.choice(("web", "app", "store")) if store is not None else "web"
        self._put("orders", {
            "order_id": number, "customer_id": customer["customer_id"],
            "store_id": store["store_id"] if channel == "store" and store is not None else None, "channel": channel,
            "status": "placed", "currency": "EUR", "shipping_fee": Decimal("4.95"),
            "ordered_at": self._clock - dt.timedelta(days=self.random.randint(0, 40)),
        })  # fmt: skip
        for _ in range(self.random.randint(0, 3)):
            self._put("order_items", {
                "order_item_id": self._number(), "order_id": number, "product_id": product["product_id"],
                "quantity": self.random.randint(1, 4), "unit_price": Decimal(self.random.randint(100, 3000)) / 100,
                "discount_amount": Decimal("0.50"), "returned_quantity": 0,
            })  # fmt: skip
        if channel != "store":
            self._charge(number, customer["customer_id"])

    def _update(self) -> None:
        kind = self.random.choice(("orders", "orders", "order_items", "customers", "products"))
        row = self._some(kind)
        if row is None:
            return
        again: dict[str, Row] = {
            "orders": {"status": self.random.choice(STATUSES)},
            "order_items": {"returned_quantity": self.random.randint(0, row.get("quantity", 0))},
            "customers": {"city": self.random.choice(("köln", "Bonn", "Mainz")), "marketing_opt_in": True},
            "products": {"category": self.random.choice(("Chews", "Chew toys", "Balls"))},
        }
        self._put(kind, row, **again[kind])

    def _delete(self) -> None:
        kind = self.random.choice(("orders", "order_items", "customers"))
        row = self._some(kind)
        if row is None:
            return
        if kind == "customers":
            for order in [each for each in self.streams["orders"].live.values()
                          if each["customer_id"] == row["customer_id"]]:  # fmt: skip
                self._delete_order(order["order_id"])
        if kind == "orders":
            self._delete_order(row["order_id"])
        else:
            self.streams[kind].remove(row[KEYS[kind]], self._clock)

    def _delete_order(self, number: int) -> None:
        items = self.streams["order_items"]
        for key in [key for key, each in items.live.items() if each["order_id"] == number]:
            items.remove(key, self._clock)
        self.streams["orders"].remove(number, self._clock)

    def _stripe_customer(self, number: int, mail: str | None) -> None:
        row = {"id": f"cus_{number}", "object": "customer", "created": self._clock, "email": mail, "livemode": False,
               "metadata": f'{{"customer_id": "{number}"}}'}  # fmt: skip
        if self.random.random() < 0.1:
            row["_sdc_deleted_at"] = self._clock
        self.streams["stripe_customers"].put(row, self._clock)

    def _charge(self, order: int, customer: int) -> None:
        amount, fee = self.random.randint(100, 9000), 25
        charge = {"id": f"ch_{order}", "amount": amount, "currency": "eur", "status": "succeeded", "paid": True,
                  "customer": f"cus_{customer}", "created": self._clock, "balance_transaction": f"txn_{order}",
                  "metadata": f'{{"order_id": "{order}"}}', "disputed": False}  # fmt: skip
        self.streams["stripe_charges"].put(charge, self._clock)
        kind = self.random.choice(("charge", "payment", "payment_failure_refund", "adjustment"))
        self.streams["stripe_balance_transactions"].put({
            "id": f"txn_{order}", "source": f"ch_{order}", "type": kind, "reporting_category": "charge", "fee": fee,
            "currency": "eur", "amount": amount, "net": amount - fee, "created": self._clock,
        }, self._clock)  # fmt: skip

    def _salesforce(self, kind: str, number: int, **values: Any) -> None:
        row = {"Id": f"{kind}{number}", "IsDeleted": self.random.random() < 0.1, "SystemModstamp": self._clock,
               "CreatedDate": self._clock, **values}  # fmt: skip
        self.streams[f"salesforce_{kind}"].put(row, self._clock)

    def _sell_wholesale(self) -> None:
        number, product = self._number(), self._some("salesforce_products")
        self._salesforce("accounts", number, Name=f"Shop {number}", Website=f"https://www.shop{number % 5}.test/de",
                         Contact_Email__c=f"b@shop{number % 7}.test")  # fmt: skip
        won = self.random.random() < 0.7
        self._salesforce("opportunities", number, AccountId=f"accounts{number}", Name="Deal", IsClosed=True, IsWon=won,
                         StageName="Closed", CloseDate=self._clock.date(), CurrencyIsoCode="EUR",
                         Amount=Decimal("20"))  # fmt: skip
        self._salesforce("opportunity_line_items", number, OpportunityId=f"opportunities{number}",
                         Product2Id=None if product is None else product["Id"], Quantity=Decimal("2"),
                         UnitPrice=Decimal("10"), TotalPrice=Decimal("20"))  # fmt: skip


def literal(value: Any) -> str:
    """Return a value as Trino's SQL has it; what is inserted takes the column's type."""
    if value is None:
        return "null"
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"decimal '{value}'"
    if isinstance(value, dt.datetime):
        return f"timestamp '{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f} UTC'"
    if isinstance(value, dt.date):
        return f"date '{value}'"
    return "'" + str(value).replace("'", "''") + "'"
