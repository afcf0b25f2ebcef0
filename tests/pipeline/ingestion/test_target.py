"""The Iceberg target: what it commits and when, how tables grow, plain Singer from any tap."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Shop
from headwater_contracts import table_name
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from target_iceberg.messages.records import RecordValueError, to_batch
from target_iceberg.rows.types import column_type
from target_iceberg.run import IncompleteStreamError


def singer(*records: dict[str, Any], schema: dict[str, Any], stream: str = "pets", **extra: Any) -> str:
    """Return the lines of another tap: SCHEMA, RECORDs, STATE."""
    messages = [
        {"type": "SCHEMA", "stream": stream, "schema": {"properties": schema}, "key_properties": ["id"], **extra},
        *({"type": "RECORD", "stream": stream, "record": record} for record in records),
        {"type": "STATE", "value": {"bookmarks": {stream: {"position": len(records)}}}},
    ]
    return "\n".join(json.dumps(message) for message in messages)


ID = {"id": {"type": "integer"}}


def test_plain_singer_records_of_another_tap(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    schema = {
        **ID,
        "price": {"type": ["null", "number"], "multipleOf": 0.01},
        "weight": {"type": "number"},
        "born": {"type": ["string", "null"], "format": "date"},
        "seen": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "anything": {},
    }
    shop.load(
        singer(
            {"id": 1, "price": 0.1, "weight": 2, "born": "2026-01-31", "seen": "2026-01-31T10:00:00Z",
             "tags": ["é"], "anything": {"a": 1}},
            {"id": 2, "weight": 0.5, "seen": "2026-01-31T10:00:00"},
            schema=schema,
        )
    )  # fmt: skip
    first, second = shop.rows("pets", "id")
    types = {field.name: str(field.field_type) for field in shop.table("pets").schema().fields}
    assert types == {
        "id": "long", "price": "decimal(38, 2)", "weight": "double", "born": "date", "seen": "timestamptz",
        "tags": "string", "anything": "string", "_loaded_at": "timestamptz",
    }  # fmt: skip
    assert first["price"] == Decimal("0.10")
    assert (first["tags"], first["anything"]) == ('["é"]', '{"a": 1}')
    assert first["seen"] == second["seen"]
    assert second["price"] is None
    assert shop.state == {"bookmarks": {"pets": {"position": 2}}}


def test_many_records_are_one_snapshot(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    shop.load(singer(*({"id": number} for number in range(250)), schema=ID), batch_size_rows=100)
    assert len(shop.table("pets").snapshots()) == 1
    assert shop.count("pets") == 250


def test_jsonl_batches_are_read(new_shop: Callable[[], Shop], tmp_path: Path) -> None:
    shop = new_shop()
    file = tmp_path / "pets.jsonl"
    file.write_text('{"id": 1, "born": "2026-01-31"}\n{"id": 2, "born": null}\n')
    lines = singer(schema={**ID, "born": {"type": ["string", "null"], "format": "date"}}).splitlines()
    batch = {"type": "BATCH", "stream": "pets", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    shop.load("\n".join([lines[0], json.dumps(batch), lines[1]]))
    assert shop.count("pets") == 2


def test_large_read_is_several_files_and_one_commit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater_tap.bulk.FILE_BYTES", 1)
    monkeypatch.setattr("tap_postgres_arrow.arrow.READ_BYTES", 1)
    shop.execute("insert into shop.orders select i, 'placed', 1, null, now() from generate_series(1001, 10000) i")
    messages = shop.extract()
    assert len([message for message in messages if message["type"] == "BATCH"]) > 3
    shop.load(messages)
    assert len(shop.table("orders").snapshots()) == 1
    assert shop.count("orders") == 10_000
    assert shop.batch_files() == []


def test_new_column_appears_and_older_rows_lack_it(shop: Shop) -> None:
    shop.replicate()
    shop.execute(
        "alter table shop.orders add gift boolean not null default true",
        "update shop.orders set updated_at = now() where order_id = 7",
    )
    shop.replicate()
    gifts = [row["gift"] for row in shop.rows("orders", "order_id") if row["order_id"] == 7]
    assert sorted(gifts, key=str) == [None, True]
    assert not shop.table("orders").schema().find_field("gift").required


def test_dropped_column_stays_and_becomes_null(shop: Shop) -> None:
    shop.replicate()
    shop.execute(
        "alter table shop.orders drop column status",
        "update shop.orders set updated_at = now() where order_id = 7",
    )
    shop.replicate()
    statuses = {row["status"] for row in shop.rows("orders", "order_id") if row["order_id"] == 7}
    assert statuses == {"placed", None}


def test_types_are_widened_and_a_narrowed_one_is_kept(shop: Shop) -> None:
    shop.execute("alter table shop.orders add quantity integer default 1, add score real default 0.5")
    shop.replicate()
    shop.execute(
        "alter table shop.orders alter quantity type bigint, alter score type double precision,"
        " alter fee type numeric(14,2)",
        "update shop.orders set updated_at = now(), quantity = 5000000000 where order_id = 7",
    )
    shop.replicate()
    schema = shop.table("orders").schema()
    assert [str(schema.find_field(name).field_type) for name in ("quantity", "score", "fee")] == [
        "long", "double", "decimal(14, 2)",
    ]  # fmt: skip
    shop.execute("alter table shop.orders alter fee type numeric(8,2)", "update shop.orders set updated_at = now()")
    shop.replicate()
    assert str(shop.table("orders").schema().find_field("fee").field_type) == "decimal(14, 2)"
    assert {row["quantity"] for row in shop.rows("orders", "order_id") if row["order_id"] == 7} == {1, 5000000000}


def test_stream_without_rows_has_its_table_and_no_snapshot(shop: Shop) -> None:
    shop.execute("delete from shop.orders")
    shop.replicate()
    assert shop.count("orders") == 0
    assert shop.table("orders").snapshots() == []


def test_complete_read_replaces_in_one_snapshot(shop: Shop) -> None:
    shop.replicate()
    shop.execute("delete from shop.orders where order_id > 10")
    shop.state = {}
    shop.replicate()
    assert shop.count("orders") == 10
    assert [snapshot.summary.operation.value for snapshot in shop.table("orders").snapshots()] == [
        "append", "overwrite",
    ]  # fmt: skip


def test_table_without_replication_key_mirrors_the_source(shop: Shop) -> None:
    shop.execute("create table shop.tags (tag text primary key)", "insert into shop.tags values ('a'), ('b')")
    shop.replicate()
    shop.execute("delete from shop.tags where tag = 'a'", "insert into shop.tags values ('c')")
    shop.replicate()
    assert [row["tag"] for row in shop.rows("tags", "tag")] == ["b", "c"]


@pytest.mark.parametrize("settings", [{}, {"batch_config": None}], ids=["batch", "records"])
def test_stream_that_is_cut_off_is_not_committed(shop: Shop, settings: dict[str, Any]) -> None:
    """When the tap dies, Meltano closes the pipe as if all was said."""
    shop.replicate()
    before = shop.state
    shop.execute("update shop.orders set updated_at = now()", "create table shop.a_first (id int primary key)")
    lines = shop.extract_lines(**settings).splitlines()
    data = next(number for number, line in enumerate(lines) if '"stream":"orders"' in line and "SCHEMA" not in line)
    with pytest.raises(IncompleteStreamError, match="stream orders: the input ended before the stream did"):
        shop.load("\n".join(lines[: data + 1]))
    assert shop.count("orders") == 1000
    assert shop.state["bookmarks"]["orders"] == before["bookmarks"]["orders"]
    assert "a_first" in shop.state["bookmarks"], "the complete stream keeps its state"
    data_files = list(Path(shop.table("orders").location().removeprefix("file://"), "data").glob("*.parquet"))
    assert len(data_files) == 1, "the cut-off stream's data files are deleted"
    shop.replicate()
    assert shop.count("orders") == 2000


def test_tap_that_dies_before_the_first_row_empties_nothing(shop: Shop) -> None:
    shop.replicate()
    shop.state = {}
    lines = shop.extract_lines().splitlines()
    start = next(number for number, line in enumerate(lines) if "ACTIVATE_VERSION" in line)
    with pytest.raises(IncompleteStreamError):
        shop.load("\n".join(lines[: start + 1]))
    assert shop.count("orders") == 1000


def test_failed_commit_keeps_back_only_its_own_state(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `publish: each` a stream that can't be committed must not stop the others."""
    shop.execute("create table shop.tags (tag text primary key, updated_at timestamptz default now())")
    shop.replicate()
    before = shop.state["bookmarks"]["orders"]
    shop.execute("update shop.orders set updated_at = now()", "insert into shop.tags values ('a')")
    commit = Table._do_commit

    def refuse(table: Table, *arguments: Any, **options: Any) -> None:
        if table.name()[-1] == "orders":
            raise CommitFailedException("out of order")
        commit(table, *arguments, **options)

    monkeypatch.setattr(Table, "_do_commit", refuse)
    monkeypatch.setattr("pyiceberg.table.time.sleep", lambda _: None)
    with pytest.raises(IncompleteStreamError, match="stream orders: out of order"):
        shop.load(shop.extract_lines(), publish="each")
    assert shop.state["bookmarks"]["orders"] == before
    assert shop.state["bookmarks"]["tags"]["replication_key_value"]
    monkeypatch.undo()
    shop.replicate()
    assert (shop.count("orders"), shop.count("tags")) == (2000, 1)


def test_commit_conflict_with_another_writer_is_retried(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.replicate()
    shop.execute("update shop.orders set updated_at = now() where order_id = 7")
    commit, rivals = Table._do_commit, [shop.table("orders")]

    def race(table: Table, *arguments: Any, **options: Any) -> None:
        if rivals:
            rival = rivals.pop()
            rival.append(rival.scan(limit=1).to_arrow())
        commit(table, *arguments, **options)

    monkeypatch.setattr(Table, "_do_commit", race)
    shop.replicate()
    assert shop.count("orders") == 1000 + 1 + 1


def test_load_report(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    monkeypatch.setenv("HEADWATER_LOAD_REPORT", str(report))
    shop.replicate()
    shop.replicate()
    first, second = (json.loads(line) for line in report.read_text().splitlines())
    assert (first["stream"], first["rows"], first["table"]) == ("orders", 1000, f"{shop.namespace}.orders")
    assert (second["rows"], second["snapshot_id"]) == (0, first["snapshot_id"])


def test_schema_that_changes_midway_stays_one_snapshot(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    first = singer({"id": 1}, schema=ID)
    second = singer({"id": 2, "name": "Zoë"}, schema={**ID, "name": {"type": ["string", "null"]}})
    shop.load(first + "\n" + second)
    assert len(shop.table("pets").snapshots()) == 1
    assert [row["name"] for row in shop.rows("pets", "id")] == [None, "Zoë"]


def test_tables_are_format_2_and_compressed(shop: Shop, catalog: Catalog) -> None:
    shop.replicate()
    table = catalog.load_table((shop.namespace, "orders"))
    assert table.format_version == 2
    assert table.properties["write.parquet.compression-codec"] == "zstd"


@pytest.mark.parametrize(
    ("kind", "value"), [(pa.int64(), "12.5"), (pa.decimal128(4, 2), 123.45), (pa.date32(), "soon"), (pa.int32(), 2**40)]
)
def test_value_that_does_not_fit_is_named(kind: pa.DataType, value: Any) -> None:
    with pytest.raises(RecordValueError, match="stream pets, column x: value"):
        to_batch("pets", [{"x": None}, {"x": value}], pa.schema([("x", kind)]))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "number", "multipleOf": 1}, "decimal(38, 0)"),
        ({"type": "number", "multipleOf": 0.5}, "double"),
        ({"type": ["integer", "string"]}, "string"),
        ({"type": "string", "format": "time"}, "string"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "double"),
    ],
)
def test_json_types(schema: dict[str, Any], expected: str) -> None:
    assert str(column_type(schema)[0]) == expected


def test_own_column_name_is_refused(new_shop: Callable[[], Shop]) -> None:
    with pytest.raises(RuntimeError, match="stream pets: column _loaded_at is the target's own"):
        new_shop().load(singer(schema={**ID, "_loaded_at": {"type": "string"}}))


def test_stream_names_become_table_names() -> None:
    assert table_name("Shop-Orders.2026") == "shop_orders_2026"
