"""Databases of every shape that a source has, and the session in which the truth is asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from conftest import PASSWORD, Server

from differential.kinds import DECLARATIONS

PLAIN = (
    "set client_encoding = 'UTF8'", "set timezone = 'UTC'", "set datestyle = 'ISO, MDY'", "set bytea_output = 'hex'",
    "set intervalstyle = 'postgres'", "set extra_float_digits = 1", "set lc_monetary = 'C'", "set xmlbinary = 'base64'",
)  # fmt: skip
"""The session of the truth: one value has one text, whatever the database says."""


@dataclass(frozen=True)
class Place:
    """A database of a shape: its encoding, and settings that its owner made for all who connect."""

    name: str
    options: str = ""
    settings: tuple[str, ...] = ()


PLACES = (
    Place("utf8"),
    Place("odd", settings=(
        "timezone = 'Europe/Berlin'", "datestyle = 'German, DMY'", "bytea_output = 'escape'",
        "extra_float_digits = -3", "intervalstyle = 'sql_standard'",
    )),
    Place("latin1", "encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'"),
    Place("ascii", "encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'"),
)  # fmt: skip


def create(server: Server, place: Place) -> str:
    """Make the database of a place; return its name, which another world in the same server does not have."""
    name = f"differential_{place.name}_{uuid.uuid4().hex[:8]}"
    with server.connect() as connection:
        connection.execute(f"create database {name} {place.options}")
        for each in place.settings:
            connection.execute(f"alter database {name} set {each}")
    with connect(server, name) as connection:
        for statement in DECLARATIONS:
            connection.execute(statement)
        connection.execute("grant usage on schema public to reader")
    return name


@contextmanager
def connect(server: Server, database: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection that prints plainly, each statement a transaction. Values are $1, $2: names may have %."""
    with psycopg.connect(
        host=server.host, port=server.port, dbname=database, user="postgres", password=PASSWORD, autocommit=True,
        client_encoding="utf8", cursor_factory=psycopg.RawCursor,
    ) as connection:  # fmt: skip
        for statement in PLAIN:
            connection.execute(statement)
        yield connection
