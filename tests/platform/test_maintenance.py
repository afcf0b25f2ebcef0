"""Maintenance on the running Trino, over tables of the test's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import ROOT
from .dbt_project import drop_schemas
from .test_data import rows

# Of Dagster's image, and without Dagster in it.
sys.path.append(str(ROOT / "pipeline_code" / "orchestration"))
maintenance = importlib.import_module("headwater_dagster.maintenance")

SCHEMA = "dev_maintenance_test"
NOW = maintenance.Limits(snapshot_retention="0s", orphan_retention="0s")


@pytest.fixture
def lake(connect: Callable[..., Any]) -> Iterator[Any]:
    """A connection that may expire what is new, with a table made by many small writes and deletions."""
    connection = connect(
        session_properties={
            "lake.expire_snapshots_min_retention": "0s",
            "lake.remove_orphan_files_min_retention": "0s",
        },
    )
    drop_schemas(connection, SCHEMA)
    rows(connection, f"create schema {SCHEMA}")
    rows(
        connection, f"create table {SCHEMA}.\"2024-orders\" as select * from (values (0, varchar 'a')) as t (id, name)"
    )
    for number in range(1, 9):
        rows(connection, f"insert into {SCHEMA}.\"2024-orders\" values ({number}, 'b')")
    rows(connection, f"update {SCHEMA}.\"2024-orders\" set name = 'c' where id in (1, 3)")
    rows(connection, f'delete from {SCHEMA}."2024-orders" where id in (2, 4)')
    rows(connection, f"create view {SCHEMA}.a_view as select 1 as one")
    yield connection
    drop_schemas(connection, SCHEMA)
    connection.close()


def test_a_table_is_compacted_expired_and_swept_once(lake: Any) -> None:
    """A statement that Trino refuses, rows that come back with a delete file, or a night that does it all once more."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        return rows(lake, statement)

    table = (SCHEMA, "2024-orders")
    assert maintenance.tables(query, [SCHEMA]) == [table], "a view has no files"
    content = sorted(query(f'select * from {SCHEMA}."2024-orders"'))
    before = maintenance.need(query, *table, NOW)
    assert before.small_files >= NOW.small_files
    assert before.delete_files >= 1
    assert before.snapshots >= 10
    todo = [*maintenance.statements(*table, before, NOW)]
    assert [each.partition(" execute ")[2].partition("(")[0] for each in todo] == [
        *("optimize", "expire_snapshots", "remove_orphan_files"),
    ]
    assert maintenance.maintain(query, lambda _: None, todo) == 0
    after = maintenance.need(query, *table, NOW)
    assert (after.small_files, after.delete_files, after.snapshots) == (1, 0, 1)
    assert sorted(query(f'select * from {SCHEMA}."2024-orders"')) == content
    again = [each for each in maintenance.statements(*table, after, NOW) if "remove_orphan_files" not in each]
    assert again == [], "what was seen to needs nothing"


def test_a_table_with_many_manifests_gets_fewer(lake: Any) -> None:
    """A manifest a load: planning a query reads each of them."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        return rows(lake, statement)

    few = maintenance.Limits(snapshot_retention="7d", small_files=1000, delete_files=1000, manifests=3)
    table = (SCHEMA, "2024-orders")
    before = maintenance.need(query, *table, few)
    todo = [each for each in maintenance.statements(*table, before, few) if "orphan" not in each]
    assert todo == [f'alter table {SCHEMA}."2024-orders" execute optimize_manifests']
    maintenance.maintain(query, lambda _: None, todo)
    assert maintenance.need(query, *table, few).manifests < before.manifests
