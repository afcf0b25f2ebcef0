"""Rows that no table can hold: set aside, counted, limited, and released again. None is lost, none is doubled."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from conftest import Shop
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from target_iceberg import admin
from target_iceberg.quarantine import rejected as quarantine
from target_iceberg.quarantine.replay import Outcome, replay
from target_iceberg.run import IncompleteStreamError
from target_iceberg.state.ledger import Ledger
from test_target import singer

SCHEMA = {"id": {"type": "integer"}, "price": {"type": ["number", "null"], "multipleOf": 0.01}}


def pets(*prices: Any, start: int = 1, **options: Any) -> str:
    """Return a load of pets with these prices, numbered from `start`."""
    records = [{"id": number, "price": price} for number, price in enumerate(prices, start)]
    return singer(*records, schema=options.pop("schema", SCHEMA), **options)


@pytest.fixture
def lake(new_shop: Callable[[], Shop]) -> Shop:
    shop = new_shop()
    shop.contract("key: [id]", "pets")
    return shop


def test_row_that_does_not_fit_is_set_aside_with_all_that_is_known(lake: Shop) -> None:
    lake.load(pets(1.5, "cheap", "NaN", 2))
    assert [row["id"] for row in lake.rows("pets", "id")] == [1, 4]
    first, second = lake.quarantine()
    assert (first["stream"], first["key"], first["column"], first["value"]) == ("pets", '{"id": 2}', "price", "cheap")
    assert json.loads(first["row"]) == {"id": 2, "price": "cheap"}
    assert first["reason"] == "does not fit decimal128(38, 2): no number"
    assert (second["value"], second["load"]) == ("NaN", 1)
    assert lake.findings() == {("quarantined", ""): "warn"}


def test_row_without_a_key_is_set_aside(lake: Shop) -> None:
    lake.load(singer({"id": 1}, {"id": None, "price": 3}, schema=SCHEMA))
    assert lake.count("pets") == 1
    assert [row["column"] for row in lake.quarantine()] == ["id"]


def test_too_many_rows_fail_the_stream_before_it_is_published(lake: Shop) -> None:
    lake.contract("key: [id]\nquarantine: {rows: 1}", "pets")
    lake.load(pets(1))
    before = lake.state
    with pytest.raises(IncompleteStreamError, match=r"2 of 3 rows can't be stored.*price = 'dear' of \{\"id\": 2\}"):
        lake.load(pets("dear", "dearer", 3, start=2))
    assert lake.count("pets") == 1
    assert lake.state == before
    assert lake.findings() == {("failed", ""): "fail"}


def test_share_of_many_rows_counts(lake: Shop) -> None:
    with pytest.raises(IncompleteStreamError, match=r"3 of 203 rows can't be stored, more than the contract allows"):
        lake.load(pets(*range(200), "a", "b", "c"))


def test_only_bad_rows_never_empty_a_table(lake: Shop) -> None:
    lake.load(pets(1, 2))
    lines = pets("a", "b").splitlines()
    with pytest.raises(IncompleteStreamError, match="the source's table is empty"):
        lake.load("\n".join([lines[0], json.dumps({"type": "ACTIVATE_VERSION", "stream": "pets", "version": 2}),
                             *lines[1:]]))  # fmt: skip
    assert lake.count("pets") == 2


def test_load_that_is_tried_again_sets_its_rows_aside_once(lake: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quarantine is committed before the stream: whoever dies between must not leave the rows twice."""
    commit = Table._do_commit

    def refuse(table: Table, *arguments: Any, **options: Any) -> None:
        if table.name()[-1] == "pets":
            raise CommitFailedException("not now")
        commit(table, *arguments, **options)

    monkeypatch.setattr(Table, "_do_commit", refuse)
    monkeypatch.setattr("pyiceberg.table.time.sleep", lambda _: None)
    with pytest.raises(IncompleteStreamError):
        lake.load(pets(1, "cheap"))
    assert len(lake.quarantine()) == 1
    monkeypatch.undo()
    lake.load(pets(1, "cheap"))
    assert len(lake.quarantine()) == 1
    lake.load(pets("cheap", start=3))
    assert len(lake.quarantine()) == 2, "those of other loads stay"


def text_prices(shop: Shop) -> str:
    """Have the contract decide for text; return a load that brings no row."""
    shop.contract("key: [id]\ncolumns: {id: bigint, price: text}", "pets")
    return pets(schema={**SCHEMA, "price": {"type": "string"}})


def test_replay_after_the_contract_was_corrected(lake: Shop, catalog: Catalog) -> None:
    lake.load(pets(1, "cheap"))
    assert replay(catalog, lake.namespace, "pets") == Outcome(released=0, superseded=0, kept=1)
    lake.load(text_prices(lake))
    assert replay(catalog, lake.namespace, "pets") == Outcome(released=1, superseded=0, kept=0)
    assert [row["price"] for row in lake.rows("pets", "id")] == [None, "cheap"]
    assert lake.rows("pets", "id")[0]["price__numeric_38_2"] == Decimal("1.00")
    assert lake.quarantine() == []


def test_replay_after_the_source_was_corrected(lake: Shop, catalog: Catalog) -> None:
    lake.load(pets(1, "cheap"))
    lake.load(pets(2, start=2))
    assert replay(catalog, lake.namespace, "pets") == Outcome(released=0, superseded=1, kept=0)
    assert lake.count("pets") == 2
    assert lake.quarantine() == []


def test_replay_that_dies_midway_doubles_nothing(lake: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.load(pets(1, "cheap"))
    lake.load(text_prices(lake))
    monkeypatch.setattr(quarantine, "keep_only", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        replay(catalog, lake.namespace, "pets")
    monkeypatch.undo()
    replay(catalog, lake.namespace, "pets")
    assert lake.count("pets") == 2
    assert lake.quarantine() == []


def died(lake: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a replay die after it has written its rows, and before it takes them out of the quarantine."""
    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "keep_only", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            replay(catalog, lake.namespace, "pets")


def test_replay_after_one_that_died_releases_what_fits_only_now(
    lake: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier replay did was known of the quarantine as a whole: a row that it had kept was dropped."""
    schema = {**SCHEMA, "at": {"type": ["string", "null"], "format": "date-time"}}
    records = [
        {"type": "RECORD", "stream": "pets", "record": {"id": number, "price": price, "at": at}}
        for number, price, at in [(5, "cheap", None), (6, "dear", "some day")]
    ]
    first = json.loads(pets(1, schema=schema).splitlines()[0])
    lake.contract("key: [id]\nquarantine: {share: 100%}", "pets")
    lake.load([first, *records, {"type": "STATE", "value": {"bookmarks": {"pets": {"at": 1}}}}])
    assert {row["column"] for row in lake.quarantine()} == {"price"}
    texts = "key: [id]\ncolumns: {id: bigint, price: text, at: %s}"
    lake.contract(texts % "timestamptz", "pets")
    lake.load(pets(schema={**schema, "price": {"type": "string"}}))
    died(lake, catalog, monkeypatch)
    assert [row["id"] for row in lake.rows("pets", "id")] == [5]
    lake.contract(texts % "text", "pets")
    lake.load(pets(schema={**schema, "price": {"type": "string"}, "at": {"type": ["string", "null"]}}))
    assert replay(catalog, lake.namespace, "pets") == Outcome(released=2, superseded=0, kept=0)
    assert [(row["id"], row["price"]) for row in lake.rows("pets", "id")] == [(5, "cheap"), (6, "dear")]
    assert lake.quarantine() == []


def test_replay_after_a_rollback_writes_the_rows_again(
    lake: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.load(pets(1, "cheap"))
    lake.load(text_prices(lake))
    before = lake.table("pets").current_snapshot()
    assert before is not None
    died(lake, catalog, monkeypatch)
    lake.table("pets").manage_snapshots().set_current_snapshot(before.snapshot_id).commit()
    assert replay(catalog, lake.namespace, "pets") == Outcome(released=1, superseded=0, kept=0)
    assert [row["price"] for row in lake.rows("pets", "id")] == [None, "cheap"]


def keyless(number: int, price: str) -> str:
    """Return a load of a pet without a key."""
    kind = SCHEMA["price"] if number == 1 else {"type": "string"}
    return singer({"id": number, "price": price}, schema={**SCHEMA, "price": kind}, key_properties=[])


def test_what_a_dead_replay_has_written_is_known_after_its_snapshot_expired(
    lake: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without a key are written once more: nothing tells any more that they are there."""
    lake.contract("quarantine: {share: 100%}", "pets")
    lake.load(keyless(1, "cheap"))
    lake.contract("columns: {id: bigint, price: text}", "pets")
    lake.load(keyless(2, "dear"))
    died(lake, catalog, monkeypatch)
    replayed = lake.table("pets").current_snapshot()
    assert replayed is not None
    # As maintenance does each night, long before snapshots expire.
    monkeypatch.setattr("sys.argv", ["x", "--namespace", lake.namespace, "orphans", "--delete"])
    monkeypatch.setattr(admin, "connect", lambda _: catalog)
    admin.main()
    assert lake.quarantine() == []
    lake.load(keyless(3, "new"))
    lake.table("pets").maintenance.expire_snapshots().by_id(replayed.snapshot_id).commit()
    assert replay(catalog, lake.namespace, "pets") == Outcome(released=0, superseded=0, kept=0)
    assert [row["price"] for row in lake.rows("pets", "id")].count("cheap") == 1


def test_rows_that_a_load_sets_aside_meanwhile_stay(
    lake: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have the number of a load that failed, whose rows are being replayed: the number told too little."""
    lake.load(pets(1, "cheap"))
    lake.load(text_prices(lake))
    (held,) = lake.quarantine()
    keep_only = quarantine.keep_only

    def late(*arguments: Any) -> None:
        rejected = quarantine.Rejected('{"id": 9}', "price", "does not fit", "x", '{"id": 9}')
        others = {"load": held["load"], "run_id": "another", "loaded_at": held["loaded_at"]}
        row = {"stream": "pets", **others, **dataclasses.asdict(rejected)}
        Ledger(catalog, lake.namespace, "quarantine", quarantine._TABLE).replace({"stream": ["none"]}, [row])
        keep_only(*arguments)

    monkeypatch.setattr(quarantine, "keep_only", late)
    replay(catalog, lake.namespace, "pets")
    assert [row["run_id"] for row in lake.quarantine()] == ["another"]


def complete(lines: str) -> str:
    """Return the same load as a complete read."""
    schema, *rest = lines.splitlines()
    return "\n".join([schema, json.dumps({"type": "ACTIVATE_VERSION", "stream": "pets", "version": 1}), *rest])


def test_complete_read_that_is_not_published_deletes_nothing(lake: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What older loads had set aside was deleted before anybody knew whether this one would be seen."""
    lake.load(pets(1, "cheap"))
    with monkeypatch.context() as patch:
        patch.setattr("target_iceberg.commit.load.Load.commit_prepared", lambda _: 1 / 0)
        with pytest.raises(IncompleteStreamError):
            lake.load(complete(pets(1, 2, start=1)))
    assert len(lake.quarantine()) == 1
    lake.load(complete(pets(1, "dear", start=1)))
    assert [row["value"] for row in lake.quarantine()] == ["dear"]


def test_loads_go_on_after_a_replay(lake: Shop, catalog: Catalog) -> None:
    """A replay's snapshot carries no position: the one before it counts."""
    lake.load(pets(1, "cheap"))
    lake.load(text_prices(lake))
    replay(catalog, lake.namespace, "pets")
    lake.load(pets("3", start=3, schema={**SCHEMA, "price": {"type": "string"}}))
    assert [row["price"] for row in lake.rows("pets", "id")] == [None, "cheap", "3"]


def test_stream_cannot_take_the_name_of_the_quarantine(lake: Shop) -> None:
    with pytest.raises(ValueError, match="stream quarantine: the name is taken"):
        lake.load(singer({"id": 1}, schema=SCHEMA, stream="quarantine"))


def test_a_row_that_is_no_json_can_be_named() -> None:
    """Bytes that are no text, of a database that takes any: the message about the row ended its whole stream."""
    row = quarantine.Rejected("{}", "name", "no UTF-8", "caf\\351", r'{"id": 1, "name": "caf\351"}')
    assert str(row) == r"""name = 'caf\\351' of {"id": 1, "name": "caf\351"}: no UTF-8"""
