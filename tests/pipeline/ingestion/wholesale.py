"""PetCo's Salesforce organisation: the stand-in over HTTP, with a real PostgreSQL of a few orders behind it."""

from __future__ import annotations

import contextlib
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from conftest import PASSWORD, SOURCES, Server, Shop
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tap_salesforce.tap import TapSalesforce

from tests.pipeline.serving import served

CLIENT_ID, SECRET = "petco-ingestion", "s3cret:with/odd+parts"
USERNAME = "ingestion@petco.example.com"

# 300 opportunities of 2 lines each: one order in 50, every 20th customer a pet shop.
ROWS = """
    INSERT INTO shop.customers
    SELECT i, 'anna' || i || '@example.com', 'Anna', 'O''Brien', 'Germany', ' berlin', 'email', TRUE, changed, changed
    FROM generate_series(1, 100) AS i, (SELECT now() - interval '2 days' AS changed) AS clock;
    INSERT INTO shop.products
    SELECT i, 'PC-' || lpad(i::text, 5, '0'), 'Ball "' || i || '", blue', 'Balls & fetch', 'dog', 9.99 + i, 5, TRUE,
        changed, changed
    FROM generate_series(1, 10) AS i, (SELECT now() - interval '2 days' AS changed) AS clock;
    INSERT INTO shop.orders
    SELECT i * 50, i % 100 + 1, NULL, 'web', (ARRAY['placed', 'paid', 'delivered', 'cancelled'])[i % 4 + 1], 'EUR', 0,
        changed, changed + i * interval '1 second'
    FROM generate_series(1, 300) AS i, (SELECT now() - interval '1 day' AS changed) AS clock;
    INSERT INTO shop.order_items
    SELECT i, (i + 1) / 2 * 50, i % 10 + 1, i % 3 + 1, 9.99 + i % 10, 0, 0, changed + (i + 1) / 2 * interval '1 second'
    FROM generate_series(1, 600) AS i, (SELECT now() - interval '1 day' AS changed) AS clock;
"""


@cache
def key_pair() -> tuple[str, str]:
    """Return the PEM of the connected app's private key, and that of its public half."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@dataclass
class Organisation(Shop):
    """A shop whose wholesale business the tap reads. `service` is the stand-in's state, `faults` what goes wrong."""

    address: str = ""
    service: Any = None
    faults: Any = None
    log: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "login_url": f"{self.address}/salesforce",
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "first_wait_seconds": 0.01,
            "bulk_poll_seconds": 0.01,
            "attempts": 3,
        }

    def tap(self, **settings: Any) -> TapSalesforce:
        state = json.loads(json.dumps(self.state))
        return TapSalesforce(config={**self.settings, **settings}, state=state)

    def extract_lines(self, **settings: Any) -> str:
        return self.sync(self.tap(**settings))

    def sync(self, tap: TapSalesforce) -> str:
        """Run a tap to its end and return its output."""
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(output):
            tap.sync_all()
        output.seek(0)
        return output.read()

    def records(self, stream: str, **settings: Any) -> list[dict[str, Any]]:
        """Run the tap and return the records of one stream; the state stays as it was."""
        messages = self.extract(**settings)
        return [each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == stream]

    def change(self, order: int, status: str, ago: str = "1 minute") -> None:
        """Write a status in a transaction that began `ago`; a run ends some seconds behind the clock."""
        changed = f"status = '{status}', updated_at = now() - interval '{ago}'"
        self.execute(f"UPDATE shop.orders SET {changed} WHERE order_id = {order}")


@contextlib.contextmanager
def organisation(server: Server, database: str, folder: Path, **service: Any) -> Iterator[Organisation]:
    """Make a database with ROWS and serve it; `service` are settings of the stand-in."""
    from petco.api.app import application
    from petco.api.faults import Faults
    from petco.api.settings import Access, SalesforceAccess
    from petco.api.shop import Shop as Tables
    from petco.database import Server as Place
    from petco.salesforce.organisation import Organisation as Service

    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {database}")
    known = Service(SalesforceAccess(CLIENT_ID, SECRET, USERNAME, key_pair()[1]), **service)
    faults = Faults()
    made = Organisation(server, database, f"raw_{database}", folder, service=known, faults=faults)
    scripts = [(SOURCES / "petco" / name).read_text() for name in ("schema.sql", "indexes.sql")]
    made.execute(scripts[0], ROWS, scripts[1])
    tables = Tables(Place(server.host, server.port, database, "postgres", PASSWORD))
    with served(application(tables, Access(), faults=faults, organisation=known)) as made.address:
        yield made


New = Callable[..., Organisation]


def organisations(server: Server, folder: Path) -> Iterator[New]:
    """Yield what makes an organisation; settings are the stand-in's."""
    with contextlib.ExitStack() as stack:

        def make(**service: Any) -> Organisation:
            name = f"wholesale_{uuid.uuid4().hex[:12]}"
            return stack.enter_context(organisation(server, name, folder / name, **service))

        yield make
