"""The shop's Postgres: where it is, how to connect, how to load Arrow tables into it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

Connection = psycopg.Connection[tuple[object, ...]]
_COPY_ROWS = 100_000
"""Rows rendered at a time: about 10 MB of text, so that memory does not grow with the scale."""


class SettingError(ValueError):
    """A setting in the environment is missing or wrong."""


@dataclass(frozen=True)
class Server:
    """Address and account of the shop's database."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Server":
        """Reads SHOP_HOST, SHOP_PORT (5432), SHOP_DATABASE (shop), SHOP_USER (shop) and SHOP_PASSWORD."""
        for name in ("SHOP_HOST", "SHOP_PASSWORD"):
            if not environment.get(name):
                raise SettingError(f"{name} is not set; it says how to reach the shop's database")
        port = environment.get("SHOP_PORT", "5432")
        if not port.isdigit() or not 1 <= int(port) <= 65535:
            raise SettingError(f"SHOP_PORT must be a port number, not {port!r}")
        return cls(
            environment["SHOP_HOST"],
            int(port),
            environment.get("SHOP_DATABASE", "shop"),
            environment.get("SHOP_USER", "shop"),
            environment["SHOP_PASSWORD"],
        )

    @property
    def place(self) -> str:
        """For messages: user, host, port and database, without the password."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"


def connect(server: Server, wait_s: float = 90) -> Connection:
    """Connects, trying again once a second while the server is not there yet.

    Raises psycopg.OperationalError with the last reason after `wait_s` seconds, or at once for a refused login.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return psycopg.connect(
                host=server.host,
                port=server.port,
                dbname=server.database,
                user=server.user,
                password=server.password,
                connect_timeout=5,
                application_name="petco",
                options="-c timezone=UTC",
            )
        except psycopg.OperationalError as error:
            refused = any(text in str(error) for text in ("authentication failed", "no pg_hba.conf entry"))
            if refused or time.monotonic() > deadline:
                raise psycopg.OperationalError(f"cannot connect to {server.place}: {error}") from error
            time.sleep(1)


def copy(connection: Connection, schema: str, name: str, table: pa.Table, freeze: bool = False) -> None:
    """Appends an Arrow table by COPY; its column names are the target's.

    `freeze` needs a target made or emptied in the same transaction and spares the server a later rewrite.
    """
    options = sql.SQL("FORMAT csv, FREEZE") if freeze else sql.SQL("FORMAT csv")
    statement = sql.SQL("COPY {}.{} ({}) FROM STDIN ({})").format(
        sql.Identifier(schema),
        sql.Identifier(name),
        sql.SQL(", ").join(map(sql.Identifier, table.column_names)),
        options,
    )
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for batch in table.to_batches(max_chunksize=_COPY_ROWS):
            buffer = BytesIO()
            pa.csv.write_csv(batch, buffer, pa.csv.WriteOptions(include_header=False))
            stream.write(buffer.getbuffer())
