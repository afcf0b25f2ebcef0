"""Contract files: what they may say, and that those of the example say what its database is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PACKAGES, Shop
from headwater_contracts import (
    Action,
    ContractError,
    Deletes,
    Drift,
    PartitionField,
    Quarantine,
    SortField,
    Write,
    find,
    read_source,
    read_sources,
)
from headwater_contracts.render import render
from headwater_contracts.types import parse_type
from tap_postgres_arrow.source import Source
from target_iceberg.rows.contract import proposed

CONTRACTS = PACKAGES.parent / "contracts"
PETCO = PACKAGES.parents[1] / "sources" / "petco"


def write(folder: Path, stream: str, source: str = "shop", name: str | None = None) -> Path:
    """Write a source with one contract; return the folder of all contracts."""
    (folder / source).mkdir(parents=True, exist_ok=True)
    (folder / source / "_source.yml").write_text("title: Shop\nkind: postgres\ntap: tap-shop\n")
    (folder / source / f"{name or 'orders'}.yml").write_text(stream)
    return folder


FULL = """
stream: Orders
version: 3
description: Orders.
key: [order_id]
replication_key: updated_at
write: merge
deletes: soft
sort: [updated_at desc, order_id]
partition: [day(updated_at), 'bucket(16, order_id)', status]
freshness: {warn: 30m, fail: 1d}
quarantine: {rows: 5, share: 0.5%}
on_drift: {emptied: accept}
columns:
  order_id: bigint
  status: {type: text, required: true}
  fee: {type: "numeric(12, 2)", cast: true}
  updated_at: {type: timestamp with time zone}
"""


def test_everything_that_a_contract_can_say(tmp_path: Path) -> None:
    contract = find(write(tmp_path, FULL), "orders")
    assert contract is not None
    assert (contract.table, contract.file, contract.version) == ("orders", "shop/orders.yml", 3)
    assert (contract.write, contract.deletes) == (Write.MERGE, Deletes.SOFT)
    assert contract.sort == (SortField("updated_at", descending=True, nulls_first=False), SortField("order_id"))
    assert contract.partition == (
        PartitionField("updated_at", "day"), PartitionField("order_id", "bucket", 16), PartitionField("status"),
    )  # fmt: skip
    assert contract.freshness is not None
    assert (contract.freshness.warn, contract.freshness.fail) == (dt.timedelta(minutes=30), dt.timedelta(days=1))
    assert contract.quarantine == Quarantine(5, 0.005)
    assert contract.on_drift[Drift.EMPTIED] is Action.ACCEPT
    assert contract.on_drift[Drift.KEY_CHANGED] is Action.FAIL, "what is not said keeps its default"
    assert [str(column.type) for column in contract.columns.values()] == [
        "bigint", "text", "numeric(12,2)", "timestamptz",
    ]  # fmt: skip
    assert contract.columns["fee"].cast


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stream: orders\nkeys: [a]", "unknown key 'keys'; possible are columns, deletes, description"),
        ("write: append", "the key 'stream' is missing"),
        ("stream: orders\nwrite: upsert", "write: 'upsert' is not possible; use append or merge"),
        ("stream: orders\nkey: order_id", "key: 'order_id' is not possible; write a list"),
        ("stream: orders\nfreshness: {warn: 2, fail: 24h}", "freshness.warn: 2 is not possible; write minutes, hours"),
        ("stream: orders\nfreshness: {warn: 2d, fail: 24h}", "warn (2d) must not be longer than fail (24h)"),
        ("stream: orders\ncolumns: {a: varchar}", "columns.a: 'varchar' is not possible; use boolean, integer"),
        ("stream: orders\ncolumns: {a: 'numeric(40,2)'}", "columns.a: 'numeric(40,2)': up to 38 digits"),
        ("stream: orders\ncolumns: {no: text}", "columns.False: False is not possible; put the column"),
        ("stream: orders\ncolumns: {a: text}\nkey: [b]", "key: 'b' is not possible; name one of the contract"),
        ("stream: orders\ncolumns: {a: text, a: date}", "the key 'a' is there twice"),
        ("stream: orders\nwrite: merge", "write: merge needs a key"),
        ("stream: orders\ndeletes: soft", "deletes: soft needs a key"),
        ("stream: orders\npartition: [week(a)]", "partition: 'week(a)' is not possible; use column, year|month"),
        ("stream: orders\nquarantine: {share: 2}", "quarantine.share: 2 is not possible; write a percentage"),
        ("stream: orders\non_drift: {emptied: ignore}", "on_drift.emptied: 'ignore' is not possible; use accept"),
        ("stream: orders\non_drift: {empty: warn}", "on_drift: unknown key 'empty'; possible are duplicate_key"),
        ("stream: refunds", "stream 'refunds' belongs into shop/refunds.yml"),
        ("stream: [", "is no YAML"),
    ],
)  # fmt: skip
def test_error_names_file_key_value_and_way_out(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        find(write(tmp_path, text), "orders")
    assert "contracts/shop/orders.yml" in str(caught.value)


def test_an_owner_can_be_written_to(tmp_path: Path) -> None:
    """Dagster refuses other owners when it starts, with all sources, and names no file."""
    folder = write(tmp_path, "stream: orders")
    file = folder / "shop" / "_source.yml"
    assert read_source(folder / "shop").owner is None
    said = file.read_text()
    file.write_text(said + "owner: shop@petco.example\n")
    assert read_source(folder / "shop").owner == "shop@petco.example"
    for wrong in ("the shop", "o'brien@petco.example", "data/ops@petco.example", "a@b_c.example"):
        file.write_text(said + f'owner: "{wrong}"\n')
        with pytest.raises(ContractError, match=rf"_source\.yml, owner.*{wrong}.*mail address"):
            read_source(folder / "shop")


def test_two_sources_cannot_share_a_table(tmp_path: Path) -> None:
    """Each would replace the rows of the other."""
    write(tmp_path, "stream: orders")
    write(tmp_path, "stream: orders", source="wholesale")
    with pytest.raises(ContractError, match=r"wholesale/orders\.yml and shop/orders\.yml: both would be table orders"):
        read_sources(tmp_path)
    with pytest.raises(ContractError, match="there are several contracts"):
        find(tmp_path, "orders")


def test_stream_without_a_contract_is_none(tmp_path: Path) -> None:
    assert find(write(tmp_path, "stream: orders"), "customers") is None


@pytest.mark.parametrize(("quarantined", "read", "exceeded"), [
    (0, 0, False), (5, 10, False), (1, 100, False), (2, 100, True), (1000, 10**6, False), (1001, 10**6, True),
    (9, 9, False),
])  # fmt: skip
def test_quarantine_limit(quarantined: int, read: int, exceeded: bool) -> None:
    """A share of a handful of rows says nothing: one bad row of three must not stop a stream."""
    assert Quarantine().exceeded(quarantined, read) is exceeded


def test_a_load_that_brings_nothing_but_rejects_is_too_much() -> None:
    """Nine rows of nine are set aside, the table is empty, and the load is green."""
    assert Quarantine().exceeded(9, 9, alone=True)
    assert not Quarantine().exceeded(8, 9, alone=True)
    assert not Quarantine(share=1).exceeded(9, 9, alone=True)


def test_contract_written_from_a_loaded_table_agrees_with_its_source(new_shop: Callable[[], Shop]) -> None:
    """Whoever brings a source begins with what is there: the next run must find nothing to say."""
    shop = new_shop()
    shop.execute(
        'create table shop.orders (order_id int primary key, fee numeric(12,2) not null, "no" text, "1 é\\🐕" real,'
        " updated_at timestamptz not null default now())",
        "insert into shop.orders values (1, 2.50, null, 1)",
    )
    shop.replicate()
    written = render(proposed("orders", shop.table("orders").schema(), "updated_at"))
    shop.contract(written.removeprefix("stream: orders\n"))
    contract = find(Path(shop.contracts["contracts"]), "orders")
    assert contract is not None
    assert (contract.key, contract.replication_key) == (("order_id",), "updated_at")
    assert list(contract.columns) == ["order_id", "fee", "no", "1 é\\🐕", "updated_at"]
    shop.execute("update shop.orders set updated_at = now()")
    shop.replicate()
    assert shop.findings() == {}


def test_contracts_of_the_shop_say_what_its_database_is(new_shop: Callable[[], Shop]) -> None:
    """A contract that differs from the source makes each run report drift that is none."""
    shop = new_shop()
    shop.execute(
        "drop schema shop",
        (PETCO / "schema.sql").read_text(),
        (PETCO / "indexes.sql").read_text(),
        "grant usage on schema shop to reader",
        "grant select on all tables in schema shop to reader",
    )
    source = Source({**shop.settings, "sslmode": "prefer"})
    try:
        tables = {table.name: table for table in source.tables("shop")}
    finally:
        source.close()
    contracts = {contract.stream: contract for contract in read_source(CONTRACTS / "shop").streams}
    assert contracts.keys() == tables.keys()
    for name, table in tables.items():
        assert contracts[name].key == table.primary_key
        declared = {column.name: column.json_schema() for column in table.columns}
        kinds = {
            column: "numeric({precision},{scale})".format(**schema["x-sql-datatype-properties"])
            if "x-sql-datatype-properties" in schema
            else schema["x-sql-datatype"]
            for column, schema in declared.items()
        }
        assert {column: each.type for column, each in contracts[name].columns.items()} == {
            column: parse_type(column, kind) for column, kind in kinds.items()
        }
        assert {column: each.required for column, each in contracts[name].columns.items()} == {
            column: "null" not in schema["type"] for column, schema in declared.items()
        }
