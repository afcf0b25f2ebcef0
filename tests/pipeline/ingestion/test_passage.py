"""Parquet straight from the engine gives the same tables as any other way; what does not fit is not let through."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Shop
from crash_processes import Outcome, run
from tap_postgres_arrow import parquet
from tap_postgres_arrow.settings import PROGRAM
from tap_postgres_arrow.source import Source
from target_iceberg.files.footer import MAGIC, FooterError, with_field_ids

TYPES = {
    "small": ("smallint not null", "7"),
    "whole": ("integer", "-2147483648"),
    "large": ("bigint", "9223372036854775807"),
    "price": ("numeric(12,2) not null", "1234567890.12"),
    "wide": ("numeric(30,4)", "12345678901234567890.1234"),
    "rough": ("real", "'NaN'"),
    "finer": ("double precision", "0.1"),
    "yes": ("boolean not null", "true"),
    "day": ("date", "'0001-01-01'"),
    "moment": ("timestamp", "'9999-12-31 23:59:59.999999'"),
    "instant": ("timestamptz", "'2026-01-31 10:00:00.123456+02'"),
    "note": ("text", "'é\n\"'"),
    "padded": ("char(4)", "'a'"),
    "document": ("jsonb", "'{\"a\": 1}'"),
    "number": ("uuid", "'00000000-0000-0000-0000-000000000001'"),
    "a b.c": ("text", "'odd name'"),
    'sel"ect': ("text", "null"),
}


def move(shop: Shop, namespace: str, layout: str, state: dict[str, Any] | None = None) -> Outcome:
    """Run tap and target, as two processes."""
    settings = {**shop.settings, "batch_config": {**shop.settings["batch_config"], "encoding": {"format": layout}}}
    return run(settings, {"namespace": namespace, **shop.contracts}, state if state is not None else {})


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def typed(new_shop: Callable[[], Shop]) -> Shop:
    """A table with every type, three rows, one of them null where that is allowed."""
    shop = new_shop()
    columns = ", ".join(f"{quoted(name)} {kind}" for name, (kind, _) in TYPES.items())
    values = ", ".join(value for _, value in TYPES.values())
    nulls = ", ".join(value if "not null" in kind else "null" for kind, value in TYPES.values())
    shop.execute(
        f"create table shop.typed (id bigint primary key, {columns})",
        f"insert into shop.typed values (1, {values}), (2, {nulls}), (3, {values})",
    )
    return shop


def test_table_is_the_one_that_arrow_gives(typed: Shop) -> None:
    """Values, types, NOT NULL, field ids, column statistics: nothing is lost for the speed."""
    found = {}
    for layout in ("arrow", "pipe"):
        outcome = move(typed, f"{typed.namespace}_{layout}", layout)
        assert outcome.complete, outcome.log
        table = Shop(typed.server, "", f"{typed.namespace}_{layout}", typed.folder).table("typed")
        (task,) = table.scan().plan_files()
        file = pq.ParquetFile(Path(task.file.file_path.removeprefix("file://")))
        ids = [field.metadata[b"PARQUET:field_id"] for field in file.schema_arrow]
        rows = table.scan().to_arrow().sort_by("id").drop_columns("_loaded_at").to_pylist()
        bounds = {
            number: (task.file.lower_bounds.get(number), task.file.upper_bounds.get(number)) for number in range(19)
        }
        found[layout] = (table.schema(), rows, ids, file.schema_arrow.names[-1], bounds, task.file.null_value_counts)
    assert str(found["pipe"][1]) == str(found["arrow"][1])  # NaN is not equal to itself
    assert found["pipe"][0] == found["arrow"][0]
    assert found["pipe"][2] == found["arrow"][2]
    assert found["pipe"][4] == found["arrow"][4]
    assert found["pipe"][5] == found["arrow"][5]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("numeric(12,2)", "'NaN'"),
        ("timestamptz", "'infinity'"),
        ("timestamp", "'-infinity'"),
        ("timestamptz", "'294276-12-31'"),
        ("date", "'infinity'"),
    ],
)
def test_value_that_the_engine_changes_is_found_and_its_row_set_apart(shop: Shop, kind: str, value: str) -> None:
    """DuckDB writes NaN as 0.00, infinity as its greatest number, and wraps years: found only after the last row."""
    shop.execute(f"alter table shop.orders add x {kind}", f"update shop.orders set x = {value} where order_id = 7")
    outcome = move(shop, shop.namespace, "pipe")
    assert outcome.complete, outcome.log
    assert 7 not in {row["order_id"] for row in shop.rows("orders", "order_id")}
    assert shop.count("orders") == 999
    assert [row["key"] for row in shop.rows("quarantine", "key")] == ['{"order_id":7}']
    location = Path(shop.table("orders").location().removeprefix("file://"))
    assert len(list(location.glob("data/*"))) == 1, "the first file, with the wrong value, is deleted"


def test_changes_continue_where_the_file_ended(shop: Shop) -> None:
    """The bookmark comes from the file's statistics: to the microsecond, or rows are lost or sent again."""
    first = move(shop, shop.namespace, "pipe")
    assert first.complete, first.log
    with shop.connect() as connection:
        latest = connection.execute("select max(updated_at) from shop.orders").fetchone()
    assert latest is not None
    assert first.state is not None
    assert first.state["bookmarks"]["orders"]["replication_key_value"] == latest[0].isoformat()
    shop.execute("update shop.orders set status = 'sent', updated_at = clock_timestamp() where order_id <= 3")
    second = move(shop, shop.namespace, "pipe", first.state)
    assert second.complete, second.log
    assert shop.count("orders") == 1003
    third = move(shop, shop.namespace, "pipe", second.state)
    assert third.complete, third.log
    assert shop.count("orders") == 1003


def test_file_follows_the_table_when_the_source_changes(shop: Shop) -> None:
    """A new column, a dropped one, a table that is wider than the source: ids and types are the table's."""
    shop.execute("alter table shop.orders add small bigint default 5000000000")
    first = move(shop, shop.namespace, "pipe")
    assert first.complete, first.log
    shop.execute(
        "alter table shop.orders add gift boolean, drop note, alter small type integer using 8,"
        " alter fee type numeric(8,2)",
        "update shop.orders set gift = true, updated_at = clock_timestamp() where order_id = 7",
    )
    second = move(shop, shop.namespace, "pipe", first.state)
    assert second.complete, second.log
    rows = [row for row in shop.rows("orders", "order_id") if row["gift"]]
    assert {row["small"] for row in rows} == {8}
    assert {str(row["fee"]) for row in rows} == {"0.07"}
    assert str(shop.table("orders").schema().find_field("small").field_type) == "long"


def test_merged_and_cast_rows_come_as_arrow_or_are_read_again(shop: Shop) -> None:
    """The target asks for what it can use; where it finds out too late, it reads the file that it has stored."""
    shop.execute("alter table shop.orders add code text default '42'")
    shop.contract("columns:\n  code: {type: bigint, cast: true}\n")
    cast = move(shop, f"{shop.namespace}_cast", "pipe")
    assert cast.complete, cast.log
    table = Shop(shop.server, "", f"{shop.namespace}_cast", shop.folder).table("orders")
    assert table.scan().to_arrow()["code"].to_pylist() == [42] * 1000
    assert len(list(Path(table.location().removeprefix("file://")).glob("data/*"))) == 1
    shop.contract("key: [order_id]\nwrite: merge\n")
    merged = move(shop, shop.namespace, "pipe")
    assert merged.complete, merged.log
    assert shop.count("orders") == 1000


def test_table_without_rows_stores_nothing(shop: Shop) -> None:
    shop.execute("delete from shop.orders")
    outcome = move(shop, shop.namespace, "pipe")
    assert outcome.complete, outcome.log
    assert list(Path(shop.table("orders").location().removeprefix("file://")).glob("data/*")) == []


def test_pieces_hold_every_row_once(shop: Shop) -> None:
    shop.execute(
        "insert into shop.orders select i, 'x', 1, repeat('n', 200), now() from generate_series(1001, 20000) i"
    )
    shop.execute("analyze shop.orders")
    config = PROGRAM.checked(shop.settings)
    source = Source(config)
    try:
        (table,) = source.tables("shop")
    finally:
        source.close()
    conditions = parquet.pieces(table, None, 100_000)
    assert len(conditions) > 5
    with shop.connect() as connection:
        counts = [
            (connection.execute(f"select count(*) from shop.orders where {condition}").fetchone() or (0,))[0]
            for condition in conditions
        ]
    assert sum(counts) == 20_000
    assert all(counts)
    assert parquet.pieces(table, "updated_at > now()", 100_000) == ["updated_at > now()"]


def footer_of(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=2)
    content = buffer.getvalue()
    size = int.from_bytes(content[-8:-4], "little")
    return content[-8 - size : -8]


def parsed(footer: bytes) -> pq.FileMetaData:
    return pq.read_metadata(pa.BufferReader(MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC))


def test_field_ids_change_nothing_else_in_a_footer() -> None:
    table = pa.table({f"c{number}": [1, 2, 3, None] for number in range(40)} | {"d": [0.5, None, 1, 2]})
    footer = footer_of(table)
    ids = {name: 1000 + number for number, name in enumerate(table.column_names)}
    changed = parsed(with_field_ids(footer, ids))
    before = parsed(footer)
    assert {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in changed.schema.to_arrow_schema()} == ids
    for group in range(before.num_row_groups):
        assert json.dumps(changed.row_group(group).to_dict(), default=str) == json.dumps(
            before.row_group(group).to_dict(), default=str
        )
    assert (changed.num_rows, changed.created_by) == (4, before.created_by)
    assert with_field_ids(with_field_ids(footer, ids), ids) == with_field_ids(footer, ids)


def test_nested_columns_are_refused() -> None:
    with pytest.raises(FooterError, match="nested"):
        with_field_ids(footer_of(pa.table({"a": [[1]]})), {})
