"""What ingestion's token of the catalog opens, on the image's own server: what a tap that was taken over can do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import ForbiddenError
from services import Services

RAW, MARTS = "/v1/namespaces/raw", "/v1/namespaces/rights_marts"
REFUSED = (
    ("GET", MARTS),
    ("GET", f"{MARTS}/tables"),
    ("GET", f"{MARTS}/tables/victim"),
    ("HEAD", f"{MARTS}/tables/victim"),
    ("POST", f"{MARTS}/tables/victim"),
    ("POST", f"{MARTS}/tables"),
    ("DELETE", f"{MARTS}/tables/victim"),
    ("DELETE", f"{MARTS}/tables/victim?purgeRequested=true"),
    ("DELETE", MARTS),
    ("POST", f"{MARTS}/properties"),
    # Another way to write the same path.
    ("DELETE", "/v1/namespaces/raw/../rights_marts/tables/victim"),
    ("DELETE", "/v1/namespaces/raw/tables/../../rights_marts/tables/victim"),
    ("DELETE", "/v1/namespaces/raw/%2e%2e/rights_marts/tables/victim"),
    ("DELETE", "/v1/namespaces/raw%2F..%2Frights_marts/tables/victim"),
    ("DELETE", "/v1/namespaces/raw;x=/../rights_marts/tables/victim"),
    ("DELETE", "//v1/namespaces/rights_marts/tables/victim"),
    ("GET", "/v1//namespaces/rights_marts/tables"),
    ("GET", "/V1/namespaces/rights_marts/tables"),
    ("GET", "/v1/namespaces/rights_marts/tables/victim#/v1/namespaces/raw/tables/own"),
    # The catalog's own key opens the whole lake.
    ("DELETE", f"{RAW}/tables/own?purgeRequested=true"),
    ("DELETE", f"{RAW}/tables/own?purgeRequested=TRUE"),
    ("DELETE", f"{RAW}/tables/own?purgeRequested=false&purgeRequested=true"),
    ("DELETE", f"{RAW}/tables/own?purge%52equested=true"),
    ("POST", f"{RAW}/register"),
    ("POST", "/v1/tables/rename"),
    ("POST", "/v1/transactions/commit"),
    ("POST", f"{RAW}/views"),
    ("PUT", "/v1/namespaces"),
    ("DELETE", RAW),
    ("POST", f"{RAW}/properties"),
    ("GET", "/"),
    ("GET", "/v1/"),
)


def rest(services: Services, token: str) -> Catalog:
    """The catalog as pyiceberg opens it with a token."""
    access = services.lake.access
    prefix = "PYICEBERG_CATALOG__RIGHTS__"
    said = {key.removeprefix(prefix): value for key, value in access.environment("rights").items()}
    properties = {key.lower().replace("__", ".").replace("_", "-"): value for key, value in said.items()}
    return load_catalog("rights", **{**properties, "token": token})


@pytest.fixture
def victim(private_services: Services) -> Iterator[Catalog]:
    """A mart, and a table of ingestion's, made by whoever may do everything; yields his catalog."""
    catalog = rest(private_services, private_services.lake.access.token)
    for name in (("rights_marts", "victim"), ("raw", "own")):
        catalog.create_namespace_if_not_exists(name[0])
        catalog.create_table(name, pa.schema([("n", pa.int64())])).append(pa.table({"n": [1]}))
    yield catalog
    for name in (("rights_marts", "victim"), ("raw", "own")):
        if catalog.table_exists(name):
            catalog.drop_table(name)


def status(services: Services, token: str, method: str, path: str) -> int:
    """The catalog's answer to a request that is sent exactly so."""
    connection = http.client.HTTPConnection("127.0.0.1", services.lake.access.catalog, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps({}) if method == "POST" else None, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_tap_that_was_taken_over_reaches_its_own_tables_only(private_services: Services, victim: Catalog) -> None:
    """Marts dropped, and their files deleted, by whoever controls the code of one source."""
    loader = private_services.lake.access.loader
    answers = {(method, path): status(private_services, loader, method, path) for method, path in REFUSED}
    # 400 and 404 are of the server itself: no path of its own.
    assert {each: answer for each, answer in answers.items() if answer not in {400, 403, 404}} == {}
    assert [
        answers["DELETE", f"{MARTS}/tables/victim"],
        answers["DELETE", f"{RAW}/tables/own?purgeRequested=true"],
    ] == [
        403,
        403,
    ]
    for name in (("rights_marts", "victim"), ("raw", "own")):
        assert victim.load_table(name).scan().to_arrow().to_pydict() == {"n": [1]}
    assert status(private_services, loader, "POST", "/v1/namespaces") == 409, "a namespace may have a place of its own"
    assert status(private_services, "x" * 32, "GET", f"{RAW}/tables/own") == 401


def test_ingestion_can_do_its_work(private_services: Services, victim: Catalog) -> None:
    """A right that is missing fails every load."""
    catalog = rest(private_services, private_services.lake.access.loader)
    table: Any = catalog.load_table(("raw", "own"))
    table.append(pa.table({"n": [2]}))
    catalog.create_namespace_if_not_exists("raw")
    assert ("raw", "own") in catalog.list_tables("raw")
    made = catalog.create_table(("raw", "größe 1"), pa.schema([("n", pa.int64())]))
    made.append(pa.table({"n": [3]}))
    catalog.drop_table(("raw", "größe 1"))
    with pytest.raises(ForbiddenError):
        catalog.purge_table(("raw", "own"))
    assert sorted(victim.load_table(("raw", "own")).scan().to_arrow()["n"].to_pylist()) == [1, 2]
