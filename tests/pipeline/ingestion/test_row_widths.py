"""Row groups have the documented size, also of tables that the server has never counted, or long ago."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import Shop
from tap_postgres_arrow import source
from test_session import load

UNCOUNTED = "with (autovacuum_enabled = false)"


def groups(shop: Shop, name: str) -> list[int]:
    """Return the rows of each row group of a table."""
    found = Path(shop.table(name).location().removeprefix("file://"), "data").glob("*.parquet")
    files = [pq.read_metadata(path) for path in found]
    return [each.row_group(number).num_rows for each in files for number in range(each.num_row_groups)]


@pytest.mark.parametrize("counted", ["never", "while it was empty", "while it was small", "now"])
def test_rows_that_nobody_counted_are_not_taken_for_one(new_shop: Callable[[], Shop], counted: str) -> None:
    """The whole table was taken for a row: groups of 2,048 rows, and a footer that the target could not hold."""
    shop = new_shop()
    shop.execute(f"create table shop.numbers (id int primary key, n int) {UNCOUNTED}")
    if counted == "while it was small":
        shop.execute("insert into shop.numbers values (0, 0)")
    if counted.startswith("while"):
        shop.execute("analyze shop.numbers")
    shop.execute("insert into shop.numbers select i, i from generate_series(1, 200000) i")
    if counted == "now":
        shop.execute("analyze shop.numbers")
    load(shop, "pipe")
    assert len(groups(shop, "numbers")) == 3, groups(shop, "numbers")


@pytest.mark.parametrize("partitioned", [False, True])
def test_wide_rows_that_nobody_counted_make_small_groups(new_shop: Callable[[], Shop], *, partitioned: bool) -> None:
    """A group of 98,304 wide rows is gigabytes of memory: what nobody counted is counted in a sample."""
    shop = new_shop()
    names = ("wide_1", "wide_2") if partitioned else ("wide",)
    if partitioned:
        shop.execute(
            "create table shop.wide (id int, body text) partition by range (id)",
            f"create table shop.wide_1 partition of shop.wide for values from (0) to (2000) {UNCOUNTED}",
            f"create table shop.wide_2 partition of shop.wide for values from (2000) to (30000) {UNCOUNTED}",
        )
    else:
        shop.execute(f"create table shop.wide (id int, body text) {UNCOUNTED}")
    # 40 kB a row, and most of it in TOAST: the table's own blocks tell nothing.
    shop.execute(
        *(f"alter table shop.{name} alter body set storage external" for name in names),
        "insert into shop.wide select i, repeat('x', 40000) from generate_series(1, 2500) i",
    )
    found = source.Source(shop.settings | {"sslmode": "prefer"})
    try:
        (table,) = found.require_tables("shop")
        assert (table.row_bytes, table.rows) == (0, None)
        assert 30_000 < found.row_bytes(table) < 60_000
    finally:
        found.close()


def test_rows_of_partitions_are_as_wide_as_those_that_were_counted(new_shop: Callable[[], Shop]) -> None:
    """The parent of partitions has no rows of its own, so the server counts none, and each row was taken for small."""
    shop = new_shop()
    shop.execute(
        "create table shop.parts (id int, body text) partition by range (id)",
        "create table shop.parts_1 partition of shop.parts for values from (0) to (3000)",
        f"create table shop.parts_2 partition of shop.parts for values from (3000) to (6000) {UNCOUNTED}",
        "insert into shop.parts select i, repeat('x', 1000) from generate_series(1, 5000) i",
        "analyze shop.parts_1",
    )
    found = source.Source(shop.settings | {"sslmode": "prefer"})
    try:
        (table,) = found.require_tables("shop")
        assert 1_000 < table.row_bytes < 1_400
    finally:
        found.close()
