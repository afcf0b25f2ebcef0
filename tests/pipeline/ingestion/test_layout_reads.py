"""What a table's layout is good for: fewer files for a question, whoever has written them."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
import reading
from conftest import Shop
from crash_processes import Outcome, run
from laid_out import Sales, data_files, rows_of, some_sales
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import EqualTo


@pytest.fixture
def sales(new_shop: Callable[[], Shop]) -> Sales:
    return Sales(new_shop())


def test_scan_with_a_predicate_reads_few_of_the_files(sales: Sales) -> None:
    """What the layout is for. Without it, and without statistics, the same question reads everything."""
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [{**row, "seen": first + dt.timedelta(hours=6 * number)} for number, row in enumerate(some_sales(240))]
    random.Random(2).shuffle(rows)
    sales.load("partition: [day(seen), 'bucket(4, id)']", rows)

    def planned(condition: str) -> tuple[int, int]:
        files = [task.file for task in sales.table.scan(row_filter=condition).plan_files()]
        return len(files), sum(file.file_size_in_bytes for file in files)

    everything = planned("id >= 0")
    assert everything[0] > 150
    day = planned("seen >= '2026-02-01T00:00:00+00:00' and seen < '2026-02-02T00:00:00+00:00'")
    assert day[0] <= 4
    assert day[1] < everything[1] / 50
    one = planned("id = 17")
    assert one[0] <= everything[0] / 3


def test_partitioned_columns_have_statistics(sales: Sales) -> None:
    sales.load("partition: [month(seen), status]", [row for row in some_sales(60) if row["seen"] and row["status"]])
    schema = sales.table.schema()
    for file in data_files(sales.table):
        rows = rows_of(sales.table, file)
        for name in ("seen", "status"):
            field = schema.find_field(name)
            bounds = [
                from_bytes(field.field_type, each[field.field_id]) for each in (file.lower_bounds, file.upper_bounds)
            ]
            values = rows[name].to_pylist() if name == "status" else rows[name].cast("int64").to_pylist()
            assert bounds == [min(values), max(values)]
            assert file.null_value_counts[field.field_id] == 0


def move(shop: Shop, state: dict[str, Any]) -> Outcome:
    """Run tap and target, as two processes, through the pipe in which Parquet passes."""
    batches = {**shop.settings["batch_config"], "encoding": {"format": "pipe"}}
    outcome = run({**shop.settings, "batch_config": batches}, {"namespace": shop.namespace, **shop.contracts}, state)
    assert outcome.complete, outcome.log
    return outcome


def test_rows_that_could_pass_as_they_are_go_by_partition(shop: Shop) -> None:
    """The tap's own Parquet files hold rows of any partition, in any order."""
    shop.contract("key: [order_id]\npartition: ['bucket(3, order_id)']\nsort: [order_id desc]\n")
    move(shop, {})
    files = data_files(shop.table("orders"))
    assert sorted(file.partition[0] for file in files) == [0, 1, 2]
    for file in files:
        numbers = rows_of(shop.table("orders"), file)["order_id"].to_pylist()
        assert numbers == sorted(numbers, reverse=True)
    assert shop.count("orders") == 1000


@pytest.mark.parametrize("partition", ["{}", "bucket(2, {})"])
@pytest.mark.parametrize("column", ["Größe", "日本", "a b", "1st", "a/b"])
def test_partition_column_may_have_any_name(new_shop: Callable[[], Shop], column: str, partition: str) -> None:
    """A manifest whose field is no identifier of Avro: readers refuse the table, DuckDB ends its process."""
    shop = new_shop()
    shop.execute(
        f'create table shop.orders (id int primary key, "{column}" text)',
        "insert into shop.orders select i, case when i > 2 then 'é' || i % 2 end from generate_series(1, 6) i",
    )
    shop.contract(f"partition: ['{partition.format(column)}']\n")
    shop.replicate()
    table = shop.table("orders")
    (field,) = table.spec().fields
    assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", field.name)
    assert reading.rows(table, "id", where=f"\"{column}\" = 'é1'") == [(3,), (5,)]
    assert sorted(table.scan(row_filter=EqualTo(column, "é1")).to_arrow()["id"].to_pylist()) == [3, 5]


def test_table_that_others_partitioned_keeps_its_layout(shop: Shop) -> None:
    """Without a contract the tap is asked for Parquet that passes; its rows must find their partitions all the same."""
    first = move(shop, {})
    with shop.table("orders").update_spec() as update:
        update.add_field("order_id", "bucket[2]", "half")
    shop.execute("update shop.orders set updated_at = now(), status = 'paid' where order_id <= 100")
    move(shop, first.state)
    table = shop.table("orders")
    assert sorted((file.spec_id, len(file.partition)) for file in data_files(table)) == [(0, 0), (1, 1), (1, 1)]
    assert len(table.scan(row_filter="order_id = 7").to_arrow()) == 2
