"""Salesforce's stand-in over a seeded shop, and a client of it, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.pipeline.serving import served
from tests.pipeline.sources.conftest import Shop

SEED = ("seed", "--scale", "0.01", "--seed", "7", "--anchor", "2026-06-01")
DATA = "/services/data/v62.0"
CLIENT = ("petco-ingestion", "s3cret:with/odd+parts")


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text, parse_float=Decimal)

    @property
    def error(self) -> str:
        return str(self.json[0]["errorCode"])


@dataclass
class Client:
    address: str
    token: str = ""

    def call(self, path: str, body: bytes | None = None, method: str | None = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        request = urllib.request.Request(self.address + path, data=body, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def query(self, soql: str, *, deleted: bool = False, **headers: str) -> Answer:
        action = "queryAll" if deleted else "query"
        return self.call(f"{DATA}/{action}?{urllib.parse.urlencode({'q': soql})}", **headers)

    def rows(self, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        answer = self.query(soql, deleted=deleted)
        assert answer.status == 200, answer.text
        return list(answer.json["records"])

    def log_in(self) -> Client:
        form = {"grant_type": "client_credentials", "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        answer = self.call("/services/oauth2/token", urllib.parse.urlencode(form).encode())
        assert answer.status == 200, answer.text
        return Client(answer.json["instance_url"], answer.json["access_token"])


Serve = Callable[..., Any]


def served_organisations(shop: Shop) -> Serve:
    """Return what serves the organisation of a seeded shop, with other settings each time."""
    assert shop.init("shop").returncode == 0
    made = shop.petco(*SEED)
    assert made.returncode == 0, made.stderr
    from petco.api.app import application
    from petco.api.settings import Access, SalesforceAccess
    from petco.api.shop import Shop as Tables
    from petco.database import Server
    from petco.salesforce.organisation import Organisation

    @contextmanager
    def serving(**settings: Any) -> Iterator[tuple[Client, Any]]:
        organisation = Organisation(SalesforceAccess(*CLIENT), **settings)
        tables = Tables(Server("127.0.0.1", shop.port, "shop", "shop", shop.password("shop")))
        with served(application(tables, Access(), organisation=organisation)) as address:
            yield Client(f"{address}/salesforce"), organisation

    return serving
