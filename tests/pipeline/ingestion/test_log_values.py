"""What the log says of values, and what it leaves out: none becomes null, each is what a complete read has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from conftest import Shop
from following import follow, following, lake, merged, source
from tap_postgres_arrow import unsent
from tap_postgres_arrow.columns import UnrepresentableValueError
from tap_postgres_arrow.engine import SourceError

LARGE = "alter table shop.docs alter column body set storage external"
BIG = "repeat('b', 9000)"
KEYS = {
    # type of the key: three values, one of which the source prints otherwise than a cast to text does
    "char(10)": ("'abc'", "'0123456789'", "''"),
    "boolean": ("true", "false"),
    "citext": ("'Abc'", "'ABD'", "'é'"),
    "uuid": ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'00000000-0000-0000-0000-000000000000'"),
    "numeric": ("1.0", "1.10", "-3"),
    "numeric(8,2)": ("1.0", "1.1", "-3"),
    "timestamptz": ("'2026-07-01 12:00+02'", "'0001-01-01 00:00+00'", "'2026-07-01 12:00:00.000001+02'"),
    "date": ("'2026-07-01'", "'9999-12-31'"),
    "text": ("'it''s'", "'a\"b\\c'", "repeat('k', 2500)"),
    "shop.mood": ("'calm'", "'very calm'"),
    "shop.code": ("'abc'", "'b'"),
}


def table_of(kind: str) -> str:
    return re.sub(r"\W+", "_", kind).strip("_")


@pytest.mark.parametrize("identity", ["default", "full"])
def test_a_key_is_one_value_in_table_and_log(new_shop: Callable[[], Shop], identity: str) -> None:
    """A removal of 'abc       ' that misses the row 'abc', or an update that finds no large value under its key."""
    shop = new_shop()
    statements = [
        "create extension citext",
        "create type shop.mood as enum ('calm', 'very calm')",
        "create domain shop.code as char(5)",
    ]
    for kind, values in KEYS.items():
        name = table_of(kind)
        merged(shop, name, "code", "n")
        rows = ", ".join(f"({value}, {n}, 'new', {BIG})" for value in values for n in range(3))
        statements += [
            f"create table shop.{name} (code {kind}, n int, status text, body text, primary key (code, n))",
            f"alter table shop.{name} alter column body set storage external",
            f"alter table shop.{name} replica identity {identity}",
            f"insert into shop.{name} values {rows}",
        ]
    tables = [table_of(kind) for kind in KEYS]
    with following(shop, *statements):
        for name in tables:
            shop.execute(f"update shop.{name} set status = 'paid'", f"delete from shop.{name} where n = 1")
            shop.execute(f"update shop.{name} set n = 7 where n = 2")
        follow(shop)
        for name in tables:
            found = lake(shop, name, "n", "status", "body")
            assert found == source(shop, name, "n", "status", "body"), name
            assert found, name
        shop.execute(*[f"delete from shop.{name}" for name in tables])
        follow(shop)
        assert [name for name in tables if lake(shop, name, "n")] == []


def test_several_changes_of_a_key_in_one_run(new_shop: Callable[[], Shop]) -> None:
    """A row that is removed and comes again, moves away and back, or is written twice: the last change counts."""
    shop = new_shop()
    merged(shop, "docs", "id")
    with following(
        shop,
        "create table shop.docs (id numeric primary key, status text, body text)",
        LARGE,
        f"insert into shop.docs select i, 'new', {BIG} || i from generate_series(1, 8) i",
    ):
        with shop.connect() as connection, connection.transaction():
            connection.execute("delete from shop.docs where id = 1")
            connection.execute("insert into shop.docs values (1, 'back', 'short')")
            connection.execute("update shop.docs set status = 'a' where id = 2")
            connection.execute("update shop.docs set status = 'b' where id = 2")
            connection.execute("update shop.docs set id = 20 where id = 3")
            connection.execute("update shop.docs set status = 'moved', id = 21 where id = 20")
            connection.execute("update shop.docs set id = 3 where id = 4")
            connection.execute("insert into shop.docs values (30, 'new', repeat('x', 9000))")
            connection.execute("update shop.docs set status = 'again' where id = 30")
            connection.execute("insert into shop.docs values (31, 'short', 'life')")
            connection.execute("delete from shop.docs where id = 31")
            connection.execute("update shop.docs set id = 5.00 where id = 5")
            connection.execute("update shop.docs set status = 'last' where id = 6")
            connection.execute("delete from shop.docs where id = 6")
        follow(shop)
        assert lake(shop, "docs", "id", "status", "body") == source(shop, "docs", "id", "status", "body")


def test_a_large_value_is_that_of_its_time(new_shop: Callable[[], Shop]) -> None:
    """History of one run: taken from the table, every version would have the last value."""
    shop = new_shop()
    with following(
        shop,
        "create table shop.docs (id int primary key, status text, body text)",
        LARGE,
        f"insert into shop.docs values (1, 'new', {BIG})",
    ):
        shop.execute(
            "update shop.docs set body = repeat('c', 9000)",
            "update shop.docs set status = 'paid'",
            "update shop.docs set id = 2",
            "update shop.docs set body = repeat('d', 9000)",
        )
        follow(shop)
        rows = sorted(lake(shop, "docs", "_sdc_lsn", "id", "status", "body", "_sdc_deleted_at"), key=lambda row: row[0])
        versions = [(row[1], row[2], row[3][:1]) for row in rows if row[4] is None]
        assert versions == [(1, "new", "b"), (1, "new", "c"), (1, "paid", "c"), (2, "paid", "c"), (2, "paid", "d")]


def test_the_full_old_row_has_the_large_value(new_shop: Callable[[], Shop]) -> None:
    """With REPLICA IDENTITY FULL the source need not be asked, and the version is exact."""
    shop = new_shop()
    with following(
        shop,
        "create table shop.docs (id int primary key, status text, body text)",
        LARGE,
        "alter table shop.docs replica identity full",
        f"insert into shop.docs values (1, 'new', {BIG})",
    ):
        shop.execute("update shop.docs set status = 'paid'", "update shop.docs set body = 'c'")
        follow(shop)
        rows = sorted(lake(shop, "docs", "_sdc_lsn", "status", "body"), key=lambda row: row[0])
        assert [(status, body[:1]) for _, status, body in rows] == [("new", "b"), ("paid", "b"), ("paid", "c")]


def test_a_large_value_that_is_nowhere_fails_the_run(
    new_shop: Callable[[], Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Null in its place would be written over the good value of the lake."""
    shop = new_shop()
    merged(shop, "docs", "id")
    with following(
        shop,
        "create table shop.docs (id int primary key, status text, body text)",
        LARGE,
        f"insert into shop.docs values (1, 'new', {BIG})",
    ):
        shop.execute("update shop.docs set status = 'paid'")
        with monkeypatch.context() as patched:
            patched.setattr(unsent.Unsent, "_current", lambda *_: {})
            with pytest.raises(SourceError, match=r"shop\.docs, column body: .* key \{'id': '1'\}.*--full-refresh"):
                follow(shop)
            shop.execute("delete from shop.docs")
            follow(shop)  # its removal follows: nothing is lost
        assert lake(shop, "docs", "id") == []


def test_many_rows_with_large_values(new_shop: Callable[[], Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in one statement without bound, and files of changes that begin between a key's two versions."""
    shop = new_shop()
    merged(shop, "docs", "id")
    monkeypatch.setattr(unsent, "KEYS", 7)
    monkeypatch.setattr("tap_postgres_arrow.spill.ROWS", 50)
    with following(
        shop,
        "create table shop.docs (id int primary key, status text, body text)",
        LARGE,
        f"insert into shop.docs select i, 'new', {BIG} || i from generate_series(1, 200) i",
    ):
        shop.execute(
            "update shop.docs set status = 'paid'",
            "update shop.docs set id = id + 1000 where id % 3 = 0",
            "delete from shop.docs where id % 5 = 0",
            "update shop.docs set body = body || '+' where id % 2 = 0",
            "update shop.docs set status = 'sent'",
        )
        follow(shop)
        assert lake(shop, "docs", "id", "status", "body") == source(shop, "docs", "id", "status", "body")


def test_generated_columns_have_their_values(new_shop: Callable[[], Shop]) -> None:
    """The log lacks them: every update turned them into nulls."""
    shop = new_shop()
    merged(shop, "lines", "id")
    with following(
        shop,
        "create table shop.lines (id int primary key, price numeric(10,2), qty int,"
        " total numeric(12,2) generated always as (price * qty) stored)",
        "insert into shop.lines (id, price, qty) select i, i * 1.5, 2 from generate_series(1, 20) i",
    ):
        shop.execute(
            "update shop.lines set qty = 4 where id <= 10",
            "insert into shop.lines (id, price, qty) values (30, 1, 7), (31, null, 1)",
            "delete from shop.lines where id = 3",
            "update shop.lines set id = 40 where id = 4",
        )
        follow(shop)
        assert lake(shop, "lines", "id", "total") == source(shop, "lines", "id", "total")


def test_values_that_do_not_fit_are_set_aside(new_shop: Callable[[], Shop]) -> None:
    """One NaN must neither stop the stream, nor become null or another number, nor lose what came with it."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(
        shop,
        "create table shop.items (id int primary key, ok boolean, fee numeric(12,2), price numeric, day date,"
        " at timestamptz, note text)",
        "insert into shop.items select i, true, 1, 1, '2026-01-01', '2026-01-01', 'new' from generate_series(1, 9) i",
    ):
        shop.execute(
            "update shop.items set fee = 'NaN', note = 'a' where id = 1",
            "update shop.items set price = 'Infinity' where id = 2",
            "update shop.items set price = 0.0000000001 where id = 3",
            "update shop.items set day = 'infinity' where id = 4",
            "update shop.items set day = '0044-03-15 BC' where id = 5",
            "update shop.items set at = '10000-01-01 00:00+00' where id = 6",
            "update shop.items set note = 'fits' where id = 7",
            "update shop.items set fee = 'NaN' where id = 8",
            "delete from shop.items where id = 8",
        )
        follow(shop)
        aside = {json.loads(row["key"])["id"]: row for row in shop.quarantine()}
        assert {key: (row["column"], row["value"]) for key, row in aside.items()} == {
            1: ("fee", "NaN"),
            2: ("price", "Infinity"),
            3: ("price", "0.0000000001"),
            4: ("day", "infinity"),
            5: ("day", "0044-03-15 BC"),
            6: ("at", "10000-01-01 00:00:00+00"),
            8: ("fee", "NaN"),
        }
        assert json.loads(aside[1]["row"]) | {"at": ""} == {
            "id": 1, "ok": True, "fee": "NaN", "price": "1", "day": "2026-01-01", "at": "", "note": "a",
        }  # fmt: skip
        notes = dict(lake(shop, "items", "id", "note"))
        assert notes == {key: "fits" if key == 7 else "new" for key in range(1, 10) if key != 8}
        shop.execute("update shop.items set fee = 2, note = 'mended' where id = 1")
        follow(shop)
        assert dict(lake(shop, "items", "id", "note"))[1] == "mended"


def test_too_many_values_that_do_not_fit_fail(new_shop: Callable[[], Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    """A column whose type is wrong: setting everything aside would be a load of nothing."""
    shop = new_shop()
    with following(shop, "create table shop.items (id int primary key, fee numeric(12,2))"):
        shop.execute("insert into shop.items select i, 1 from generate_series(1, 9) i")
        follow(shop)
        shop.execute("update shop.items set fee = 'NaN'")
        monkeypatch.setattr("tap_postgres_arrow.unfit.MOST_ROWS", 5)
        with pytest.raises(UnrepresentableValueError, match=r"shop\.items: more than 5 changes .*fee = 'NaN'"):
            follow(shop)


TYPES = {
    "boolean": "true",
    "real": "0.1",
    "double precision": "1e300",
    "interval": "'1 mon -2 days 03:00'",
    "money": "'1234.5'",
    "bytea": r"'\x00ff'",
    "cidr": "'10.0.0.0/8'",
    "jsonb": """'{"a": 1.50}'""",
    "char(5)": "'ab'",
    '"char"': "'x'",
    "bit(4)": "B'0101'",
    "tstzrange": "'[2026-07-01 10:00+02,)'",
    "timestamptz[]": "'{2026-07-01 10:00+02}'",
    "numeric": "1.500",
    "time": "'10:00'",
    "timetz": "'10:00+02'",
    "timestamp": "'0001-01-01'",
    "xml": "'<a/>'",
    "point": "'(1,2)'",
    "int[]": "'{1,NULL}'",
    "oid": "4000000000",
    "uuid": "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
}


def test_each_type_has_one_value_in_a_complete_read_and_in_the_log(new_shop: Callable[[], Shop]) -> None:
    """A value whose text changes when its row is next written: every difference looks like a change of the source."""
    shop = new_shop()
    columns = [f"c{number}" for number in range(len(TYPES))]
    kinds = ", ".join(f"{name} {kind}" for name, kind in zip(columns, TYPES, strict=True))
    with following(
        shop,
        f"create table shop.items (id int primary key, n int, {kinds})",
        f"insert into shop.items values (1, 0, {', '.join(TYPES.values())})",
    ):
        shop.execute("update shop.items set n = 1")
        follow(shop)
        first, second = lake(shop, "items", "n", *columns)
        assert dict(zip(TYPES, first[1:], strict=True)) == dict(zip(TYPES, second[1:], strict=True))
