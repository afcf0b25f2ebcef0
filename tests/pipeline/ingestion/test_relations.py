"""What a role may not see, and what can't be loaded, is said: never fewer rows or columns without a word."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Shop
from tap_postgres_arrow import discover
from tap_postgres_arrow.engine import SourceError
from tap_postgres_arrow.settings import PROGRAM
from test_session import PATHS, load

WAYS = [pytest.param("pipe", id="bulk"), pytest.param(None, id="records")]


def looked(shop: Shop, **changes: Any) -> dict[str, Any]:
    """Return what `make source` is told."""
    return discover.look({**shop.settings, "sslmode": "prefer", "name": "crm", **changes})


def found(shop: Shop) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in looked(shop)["tables"]}


def note(shop: Shop, *words: str) -> str:
    """Return the one note that has these words."""
    (said,) = [each for each in looked(shop)["notes"] if all(word in each for word in words)]
    return str(said)


# Row level security


@pytest.fixture
def secured(shop: Shop) -> Shop:
    shop.execute(
        "create table shop.rls (id int primary key, tenant text)",
        "insert into shop.rls values (1, 'a'), (2, 'b')",
        "alter table shop.rls enable row level security",
        "create policy mine on shop.rls for select to reader using (tenant = 'a')",
    )
    return shop


@pytest.mark.parametrize("layout", WAYS)
def test_table_whose_rows_are_hidden_is_left_out_and_named(
    secured: Shop, layout: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A policy shows the role a part of the rows, which would be loaded as if it were the table."""
    assert sorted(found(secured)) == ["orders"]
    assert "alter role reader bypassrls" in note(secured, "rls", "row level security")
    messages = secured.extract(**({} if layout else {"batch_config": None}))
    assert {each.get("stream") for each in messages} - {None} == {"orders"}
    assert "shop.rls is left out: row level security" in caplog.text
    secured.load(messages)
    assert secured.count("orders") == 1000


def test_role_that_bypasses_row_security_reads_all_rows(secured: Shop) -> None:
    secured.execute("alter role reader bypassrls")
    try:
        assert sorted(found(secured)) == ["orders", "rls"]
        secured.replicate()
        assert secured.count("rls") == 2
    finally:
        secured.execute("alter role reader nobypassrls")


def test_policy_that_comes_between_look_and_read_fails_the_read(secured: Shop) -> None:
    """The server itself refuses to filter: `row_security` is off in each session."""
    secured.execute("alter table shop.rls disable row level security")
    settings = PROGRAM.checked(secured.settings)
    from tap_postgres_arrow.main import Run

    with contextlib.closing(Run(settings)) as work:
        assert "rls" in {table.name for table in work.tables()}
        secured.execute("alter table shop.rls enable row level security")
        with pytest.raises(SourceError, match="row-level security policy"):
            work.source.connection.query("select id from shop.rls")


# Grants


@pytest.fixture
def granted(shop: Shop) -> Shop:
    shop.execute(
        "create table shop.people (id int primary key, name text, ssn text, updated_at timestamptz)",
        "insert into shop.people values (1, 'a', '123', now()), (2, 'b', '456', now())",
        "revoke select on shop.people from reader",
        "grant select (id, name, updated_at) on shop.people to reader",
    )
    return shop


@pytest.mark.parametrize("layout", PATHS)
def test_columns_that_are_granted_are_loaded(granted: Shop, layout: str | None) -> None:
    """A grant of columns made the whole table disappear, without a word."""
    people = found(granted)["people"]
    assert (people["columns"], people["key"]) == (3, ["id"])
    # When a row was written (xmin) is told to nobody who may not read the table: changes can't be found.
    assert people["replication_key"] is None
    assert "ssn" in note(granted, "people", "columns")
    assert "xmin" in note(granted, "people", "in full")
    for expected in (2, 3):
        load(granted, layout)
        assert {row["id"]: row["name"] for row in granted.rows("people", "id")}[1] == "a"
        assert granted.count("people") == expected
        assert granted.table("people").schema().find_field("name")
        granted.execute(
            "insert into shop.people values (3, 'c', '789', now() - interval '9 days') on conflict do nothing"
        )


def test_key_of_which_a_part_is_hidden_is_none(shop: Shop) -> None:
    """Half of a key tells no rows apart: a merge by it would lose some."""
    shop.execute(
        "create table shop.lines (order_id int, line int, note text, primary key (order_id, line))",
        "insert into shop.lines values (1, 1, 'a'), (1, 2, 'b')",
        "revoke select on shop.lines from reader",
        "grant select (order_id, note) on shop.lines to reader",
    )
    assert found(shop)["lines"]["key"] == []
    shop.replicate()
    assert shop.count("lines") == 2


def test_what_is_not_read_is_named(shop: Shop) -> None:
    """Whoever misses a table should not have to guess why."""
    shop.execute(
        "create table shop.secret (id int primary key)",
        "revoke select on shop.secret from reader",
        "create view shop.seen as select 1 as one",
        "create materialized view shop.kept as select 1 as one",
        "create table shop.bare ()",
    )
    assert sorted(found(shop)) == ["orders"]
    assert "select" in note(shop, "secret")
    assert "view" in note(shop, "kept, seen")
    assert "no column" in note(shop, "bare")


def test_schema_that_may_not_be_used_is_an_error_that_says_so(shop: Shop) -> None:
    shop.execute("revoke usage on schema shop from reader")
    with pytest.raises(SourceError, match="grant usage on schema"):
        looked(shop)


def test_source_of_nothing_but_hidden_tables_says_why(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    shop.execute("create table shop.only (id int)", "alter table shop.only enable row level security")
    with pytest.raises(SourceError, match=r"shop\.only is left out: row level security"):
        looked(shop)


# Keys and inheritance


def test_columns_that_a_key_includes_are_no_part_of_it(shop: Shop) -> None:
    """`include` only stores them in the index: they may be null, and a merge by them would double rows."""
    shop.execute(
        "create table shop.incl (id int not null, name text, qty int, primary key (id) include (name))",
        "insert into shop.incl values (1, 'a', 1), (2, null, 2)",
    )
    assert found(shop)["incl"]["key"] == ["id"]
    shop.replicate()
    assert [row["name"] for row in shop.rows("incl", "id")] == ["a", None]
    assert shop.table("incl").schema().identifier_field_names() == {"id"}


@pytest.mark.parametrize("layout", PATHS)
def test_parent_table_has_the_rows_of_its_children_as_in_postgresql(
    new_shop: Callable[[], Shop], layout: str | None
) -> None:
    """Its key holds for its own rows only: children may repeat it, and a merge would lose theirs."""
    shop = new_shop()
    shop.execute(
        "create table shop.base (id int primary key, name text)",
        "create table shop.child (extra text) inherits (shop.base)",
        "create table shop.grandchild () inherits (shop.child)",
        "insert into shop.base values (1, 'base')",
        "insert into shop.child values (1, 'child', 'x'), (2, 'child', 'y')",
        "insert into shop.grandchild values (3, 'grandchild', 'z')",
        "analyze",
    )
    tables = found(shop)
    assert {name: (each["key"], each["rows"]) for name, each in tables.items()} == {
        "base": ([], 4), "child": ([], 3), "grandchild": ([], 1),
    }  # fmt: skip
    assert "inherit" in note(shop, "base", "key")
    load(shop, layout)
    for name in tables:
        with shop.connect() as connection:
            expected = connection.execute(f"select id, name from shop.{name} order by 1, 2").fetchall()
        rows = sorted((row["id"], row["name"]) for row in shop.rows(name, "id"))
        assert rows == expected, name


# One table does not stop the others


@pytest.mark.parametrize("layout", WAYS)
def test_table_with_a_column_of_the_lakes_own_is_left_out_and_named(
    shop: Shop, layout: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It stopped the whole source, after the deploy."""
    shop.execute(
        "create table shop.copied (id int primary key, _loaded_at timestamptz)", "insert into shop.copied values (1)"
    )
    assert sorted(found(shop)) == ["orders"]
    assert "_loaded_at" in note(shop, "copied")
    shop.replicate(**({} if layout else {"batch_config": None}))
    assert shop.count("orders") == 1000
    assert "shop.copied is left out: column _loaded_at" in caplog.text


@pytest.mark.parametrize("settings", [{}, {"batch_config": None}], ids=["batch", "records"])
def test_table_is_loaded_once_the_column_is_deselected(shop: Shop, settings: dict[str, Any]) -> None:
    shop.execute(
        "create table shop.copied (id int primary key, _loaded_at timestamptz)", "insert into shop.copied values (1)"
    )
    catalog = json.loads(json.dumps(discovered(shop)))
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == ["properties", "_loaded_at"]:
                entry["metadata"]["selected"] = False
    shop.load(shop.extract_lines(catalog, **settings))
    assert shop.count("copied") == 1


def discovered(shop: Shop) -> dict[str, Any]:
    from tap_postgres_arrow.main import Run

    settings = PROGRAM.checked(shop.settings)
    with contextlib.closing(Run(settings)) as work:
        return work.discover()
