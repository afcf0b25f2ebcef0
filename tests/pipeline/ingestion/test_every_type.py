"""Every type of PostgreSQL arrives as PostgreSQL itself prints it, whichever way its rows travel."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
import reading
from conftest import Shop
from test_session import PATHS, load

TYPED: dict[str, list[str]] = {
    # Types that the lake has, too: type → values, as SQL.
    "boolean": ["true", "false"],
    "smallint": ["-32768", "32767"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "real": ["'NaN'", "'Infinity'", "'-Infinity'", "'-0.0'", "0.1", "3.4028235e38", "1e-45"],
    "double precision": ["'NaN'", "'Infinity'", "'-Infinity'", "'-0.0'", "0.1", "1.7976931348623157e308", "5e-324"],
    "numeric(38,0)": ["99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "0"],
    "numeric(4,4)": ["0.9999", "-0.0001"],
    "numeric": ["99999999999999999999999999999.999999999", "-0.000000001"],
    "date": ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'"],
    "timestamp": ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"],
    "timestamptz": ["'0001-01-01 00:00+00'", "'9999-12-31 23:59:59.999999+00'", "'1903-02-03 04:05:06.000001+00'"],
    "text": ["''", "repeat('x', 1048576)", "'e\u0301 🐕‍🦺 ' || chr(1) || chr(9) || chr(10) || chr(13)"],
    "varchar(5)": ["'ab '"],
    "name": ["'a name'"],
}
PRINTED: dict[str, list[str]] = {
    # All others, and numerics of more digits: text.
    "char(5)": ["'ab'", "''"],
    '"char"': ["'x'"],
    "shop.citext": ["'MiXed'"],
    "shop.hstore": ["'a=>1, \"b c\"=>NULL'"],
    "shop.mood": ["'happy'"],
    "shop.small": ["5"],
    "shop.pair": ["'(1,\"a b\")'", "'(,)'"],
    "shop.mood[]": ["'{happy,NULL}'"],
    "numeric(50,2)": ["'1e40'", "'NaN'"],
    "integer[]": ["'{{1,NULL},{3,4}}'", "'{}'", "'[0:1]={1,2}'"],
    "text[]": ["array['a,b', 'c\"d', '', null, 'null']"],
    "numeric[]": ["'{1.10,NaN}'"],
    "timestamp[]": ["'{infinity,0044-03-15 BC}'"],
    "int4range": ["'[1,5)'", "'empty'", "'(,)'"],
    "numrange": ["'(1.10,2.5]'"],
    "daterange": ["'[2026-01-01,infinity]'"],
    "int4multirange": ["'{[1,3),[5,8)}'"],
    "interval": ["'-1 year 2 days -03:04:05.000006'", "'178000000 years'", "'0'"],
    "time": ["'24:00:00'", "'00:00:00.000001'"],
    "timetz": ["'10:00:00.5+05:30'"],
    "bit(5)": ["B'10101'"],
    "bit varying": ["B''", "B'1'"],
    "money": ["'-1234567.89'::money"],
    "xml": ['\'<?xml version="1.0" encoding="UTF-8"?><a>é</a>\'::xml', "'<a/>'::xml"],
    "uuid": ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
    "json": ['\'{"a" : 12345678901234567890123.4567890, "a": 1e400, "\\u0000": "\\u00e9"}\''],
    "jsonb": ['\'{"b": 12345678901234567890123.45678900, "a": [1.10, null, 1e100]}\''],
    "jsonpath": ["'$.a[*] ? (@ > 1)'"],
    "bytea": [r"'\x00ff5c'", "''"],
    "inet": ["'10.0.0.1'", "'10.0.0.1/8'", "'::1'"],
    "cidr": ["'10.0.0.0/8'", "'10.0.0.1/32'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "point": ["'(0.1,1e300)'"],
    "polygon": ["'((0,0),(1,1),(1,0))'"],
    "tsvector": ["'a:1 fat:2A'"],
    "tsquery": ["'fat & !rat'"],
    "oid": ["4294967295"],
    "xid8": ["'18446744073709551615'"],
    "pg_lsn": ["'16/B374D848'"],
    "regclass": ["'shop.many'::regclass"],
    "regtype": ["'shop.mood'::regtype"],
}


def plain(value: Any, kind: str) -> Any:
    """Return a value such that equal ones are the same: NaN, and zero with its sign."""
    if isinstance(value, float):
        return struct.pack("f" if kind == "real" else "d", value)
    return value


@pytest.mark.parametrize("layout", PATHS)
def test_every_type_arrives_as_postgresql_prints_it(new_shop: Callable[[], Shop], layout: str | None) -> None:
    """The engine, Arrow, JSON and a cast to text have each their own idea of some values."""
    shop = new_shop()
    kinds = [*TYPED, *PRINTED]
    values = {**TYPED, **PRINTED}
    columns = [f"Ü '{number}" for number in range(len(kinds))]  # upper case, not ASCII, a blank, a quote
    declared = ", ".join(f'"{name}" {kind}' for name, kind in zip(columns, kinds, strict=True))
    shop.execute(
        "create extension citext schema shop",
        "create extension hstore schema shop",
        "create type shop.mood as enum ('happy', 'sad')",
        "create domain shop.small as smallint check (value < 10)",
        "create type shop.pair as (a int, b text)",
        f"create table shop.many (id int primary key, {declared})",
    )
    for row in range(max(map(len, values.values()))):
        literals = [each[row] if row < len(each) else "null" for each in values.values()]
        shop.execute(f"insert into shop.many values ({row}, {', '.join(literals)})")
    printed = [f'"{name}"' if kind in TYPED else _output(name) for name, kind in zip(columns, kinds, strict=True)]
    with shop.connect() as connection:
        connection.execute("set timezone = 'UTC'; set intervalstyle = 'postgres'; set search_path = ''")
        expected = connection.execute(f"select {', '.join(printed)} from shop.many order by id").fetchall()
    load(shop, layout)
    stored = reading.rows(shop.table("many"), "id", *columns)
    wrong = {
        f"{kind} of row {row}": (there, here)
        for row, (wanted, found) in enumerate(zip(expected, stored, strict=True))
        for kind, there, here in zip(kinds, wanted, found[1:], strict=True)
        if plain(_as_typed(there, kind), kind) != plain(here, kind)
    }
    assert wrong == {}


def _output(name: str) -> str:
    """Return SQL for what the type's output function prints: some casts to text print another text."""
    return f'case num_nonnulls("{name}") when 1 then format(\'%s\', "{name}") end'


def _as_typed(value: Any, kind: str) -> Any:
    """A domain over a number is that number."""
    return int(value) if kind == "shop.small" and value is not None else value
