"""What only Trino can tell of the lake's tables: what it reads of them, and that the program's own queries run."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import services
from conftest import Shop
from differential.trino_engine import Trino
from laid_out import Sales, data_files, some_sales
from pyiceberg.catalog import load_catalog

from cli.platform import findings
from localstack.home import Home
from tests import trino_server

RAW = "raw"
"""The namespace that the program's queries name."""


@pytest.fixture(scope="module")
def trino(private_services: services.Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trino]:
    """A Trino of its own on the private catalog and object store."""
    folder = tmp_path_factory.mktemp("on-trino")
    with trino_server.running(folder, Home.default().cache / "lake", services.DIRECT, heap="1g") as port:
        yield Trino(port)


@pytest.fixture
def raw(private_services: services.Services, new_shop: Callable[..., Shop]) -> Iterator[Shop]:
    """A shop that is loaded into the namespace `raw` of the private services, which is then dropped."""
    private_services.ensure()
    shop = new_shop(lake=services.CATALOG)
    shop.namespace = RAW
    yield shop
    catalog = load_catalog(services.CATALOG)
    for name in catalog.list_tables(RAW):
        catalog.drop_table(name)
    catalog.drop_namespace(RAW)


def test_trino_reads_little_of_a_partitioned_table(
    private_services: services.Services, new_shop: Callable[..., Shop], trino: Trino
) -> None:
    """A spec whose values Trino does not understand: each query reads the whole table, and nothing says so."""
    private_services.ensure()
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [{**row, "seen": first + dt.timedelta(hours=6 * number)} for number, row in enumerate(some_sales(120))]
    random.Random(2).shuffle(rows)
    sales = Sales(new_shop(lake=services.CATALOG))
    sales.load("partition: [day(seen), 'bucket(4, id)']", rows)
    assert len(data_files(sales.table)) > 60
    source = f'lake."{sales.shop.namespace}".sales'

    def read(condition: str) -> tuple[list[int], int, int]:
        found, work = trino.run(f"select id, status from {source} where {condition}")
        return sorted(row[0] for row in found), work["completedSplits"], work["physicalInputBytes"]

    everything, all_splits, all_bytes = read("true")
    assert everything == list(range(120))
    assert all_splits > 60
    midnight = "timestamp '2026-01-{} 00:00:00 UTC'"
    day, splits, size = read(f"seen >= {midnight.format(11)} and seen < {midnight.format(12)}")
    assert day == [40, 41, 42, 43]
    assert splits < all_splits - 50
    assert 0 < size < all_bytes / 5
    one, splits, size = read("id = 17")
    assert one == [17]
    assert splits < all_splits / 2
    assert 0 < size < all_bytes / 2


def records(stream: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a stream whose `price` is a number of two digits after the point."""
    price = {"type": ["number", "null"], "x-sql-datatype": "numeric",
             "x-sql-datatype-properties": {"precision": 6, "scale": 2}}  # fmt: skip
    properties = {"id": {"type": "integer"}, "price": price}
    return [
        {"type": "SCHEMA", "stream": stream, "key_properties": ["id"], "schema": {"properties": properties}},
        *({"type": "RECORD", "stream": stream, "record": row} for row in rows),
        {"type": "STATE", "value": {"bookmarks": {stream: {"at": 1}}}},
    ]


def set_aside(shop: Shop, *streams: str) -> None:
    """Load streams of which two rows do not fit, for the same reason, and with one finding each."""
    for stream in streams:
        shop.contract("quarantine: {rows: 10, share: 100%}\n", stream)
    rows = [{"id": 1, "price": 1.25}, {"id": 2, "price": "a\n'b\""}, {"id": 3, "price": "a\n'b\""}]
    for stream in streams:
        shop.load(records(stream, *rows))


def test_quarantine_shows_what_is_set_aside(raw: Shop, trino: Trino) -> None:
    """`make quarantine` asks with functions that no other engine here has: it would end with Trino's error."""
    set_aside(raw, "crm_orders", "crm_eu_orders")
    line = {"stream": "crm_orders", "key": "{}", "column": "line", "reason": "line 7 of crm.csv has 3 columns, not 2",
            "value": "1,2,3", "row": json.dumps({"_file": "crm.csv"})}  # fmt: skip
    schema = {"type": "object", "x-headwater-quarantine": True, "properties": {name: {"type": ["string", "null"]}
              for name in line}}  # fmt: skip
    raw.load([
        *records("crm_orders", {"id": 4, "price": 1})[:-1],
        {"type": "SCHEMA", "stream": "quarantine", "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": "quarantine", "record": line},
        {"type": "STATE", "value": {"bookmarks": {"crm_orders": {"at": 2}}}},
    ])  # fmt: skip
    found = trino.query_rows(findings.QUARANTINE)
    assert [(row[0], row[1], row[3], row[8]) for row in found] == [
        ("crm_eu_orders", "price", 2, False),
        ("crm_orders", "line", 1, True),
        ("crm_orders", "price", 2, False),
    ]
    assert [row[7] for row in found] == ["", "crm.csv", ""]
    lines = findings.quarantine_lines(found)
    assert any("crm_orders.line: 1 line since" in each for each in lines)
    (clear,) = [each.partition('"')[2].rstrip('"') for each in lines if 'make trino q="delete' in each]
    trino.query_rows(clear)
    assert {row[8] for row in trino.query_rows(findings.QUARANTINE)} == {False}
    assert len(trino.query_rows(findings.QUARANTINE)) == 2


def test_source_that_is_removed_leaves_nothing_open(raw: Shop, trino: Trino) -> None:
    """`make source remove=crm` deletes by a condition of names: too little, or another source's rows as well."""
    set_aside(raw, "crm_orders", "crm_eu_orders", "crm_own", "shop")
    assert {row[0] for row in trino.query_rows("select stream from lake.raw.findings")} == {
        "crm_orders", "crm_eu_orders", "crm_own", "shop",
    }  # fmt: skip
    assert len(trino.query_rows(findings.FINDINGS)) == 4
    gone = findings.of_source("crm", ["crm_eu", "shop"], ["crm_own", "shop"])
    for table in ("findings", "quarantine"):
        trino.query_rows(f"delete from lake.raw.{table} where {gone}")
        left = trino.query_rows(f"select distinct stream from lake.raw.{table} order by 1")
        assert [row[0] for row in left] == ["crm_eu_orders", "crm_own", "shop"]
    # The target goes on with what Trino has written.
    set_aside(raw, "crm_orders")
    assert len(trino.query_rows(findings.FINDINGS)) == 4
