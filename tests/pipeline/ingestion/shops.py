"""A PostgreSQL server, the shop in a database of it, and the tap and target of this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from tap_postgres_arrow.main import Run
from tap_postgres_arrow.settings import PROGRAM
from target_iceberg.settings import Settings
from target_iceberg.target import Target

PASSWORD = "p@ss/w:rd"  # what a URI would take apart


def run_as_postgres(*command: str) -> None:
    """Run a server program. PostgreSQL refuses to run as root: Debian's user does then."""
    switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    subprocess.run([*switch, *command], check=True, cwd="/", stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    control: tuple[str, ...]
    """pg_ctl with this server's folder."""

    def restart(self) -> None:
        """Stop at once, as if the machine had rebooted, and start again."""
        run_as_postgres(*self.control, "-m", "fast", "restart")

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.host, port=self.port, dbname=database, user=user, password=PASSWORD, autocommit=True
        )


@dataclass
class Shop:
    """A source database of its own, its tap settings, and the namespace that it is loaded into."""

    server: Server
    database: str
    namespace: str
    folder: Path
    state: dict[str, Any] = field(default_factory=dict)
    lake: str = "lake"
    """The catalog's name in pyiceberg's configuration: a folder, or services.CATALOG."""
    contracts: dict[str, str] = field(default_factory=dict)
    """Folder of the contracts, as the target's setting; without any until `contract` is called."""

    def contract(self, text: str, stream: str = "orders") -> None:
        """Write the contract of a stream, in place of an older one."""
        folder = self.folder / "contracts" / "shop"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_source.yml").write_text("title: Shop\nkind: postgres\ntap: tap-shop\n")
        (folder / f"{stream}.yml").write_text(f"stream: {stream}\n{text}")
        self.contracts = {"contracts": str(folder.parent)}

    def connect(self) -> psycopg.Connection[Any]:
        return self.server.connect(self.database)

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    @property
    def settings(self) -> dict[str, Any]:
        batches = {"encoding": {"format": "parquet"}, "storage": {"root": (self.folder / "batch").as_uri()}}
        return {
            "host": self.server.host,
            "port": self.server.port,
            "database": self.database,
            "user": "reader",
            "password": PASSWORD,
            "schema": "shop",
            "batch_config": batches,
        }

    def extract(self, **settings: Any) -> list[dict[str, Any]]:
        """Run the tap from the last state and return its messages, as any JSON reader sees them."""
        return [json.loads(line) for line in self.extract_lines(**settings).split("\n") if line]

    def extract_lines(self, catalog: dict[str, Any] | None = None, **settings: Any) -> str:
        """Run the tap from the last state, over all streams or what `catalog` selects, and return its output."""
        state = json.loads(json.dumps(self.state))
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(output):
            send(PROGRAM.checked({**self.settings, **settings}), state, catalog)
        output.seek(0)
        return output.read()

    def load(self, messages: list[dict[str, Any]] | str, **settings: Any) -> None:
        """Run the target over messages (or Singer lines) and keep the state that it lets go of."""
        lines = messages if isinstance(messages, str) else "\n".join(json.dumps(message) for message in messages)
        config = {"catalog": self.lake, "namespace": self.namespace, **self.contracts, **settings}
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                Target(Settings.of(config)).listen(line + "\n" for line in lines.split("\n"))
        finally:
            for line in output.getvalue().splitlines():
                self.state = json.loads(line, parse_float=Decimal)

    def replicate(self, **settings: Any) -> None:
        self.load(self.extract_lines(**settings))

    def table(self, name: str) -> Table:
        return load_catalog(self.lake).load_table((self.namespace, name))

    def rows(self, name: str, order: str) -> list[dict[str, Any]]:
        return self.table(name).scan().to_arrow().sort_by(order).to_pylist()

    def count(self, name: str) -> int:
        return self.table(name).scan().to_arrow().num_rows

    def findings(self) -> dict[tuple[str, str], str]:
        """Return what is open: (kind, column) → severity."""
        if not load_catalog(self.lake).table_exists((self.namespace, "findings")):
            return {}
        rows = self.table("findings").scan().to_arrow().to_pylist()
        return {(row["kind"], row["column"]): row["severity"] for row in rows}

    def quarantine(self) -> list[dict[str, Any]]:
        """Return the rows that are set aside."""
        return self.rows("quarantine", "row")

    def batch_files(self) -> list[Path]:
        return list((self.folder / "batch").glob("*"))


def send(config: dict[str, Any], state: dict[str, Any], catalog: dict[str, Any] | None = None) -> None:
    """Run the tap, messages on standard output. `config` has its defaults."""
    run = Run(config)
    try:
        run.sync(catalog, state)
    finally:
        run.close()


def contracts(folder: Path, **streams: str) -> str:
    """Write contracts (stream → lines of YAML) below `folder`; return the target's setting."""
    (folder / "shop").mkdir(parents=True, exist_ok=True)
    (folder / "shop" / "_source.yml").write_text("title: Shop\nkind: postgres\ntap: tap-shop\n")
    for stream, lines in streams.items():
        (folder / "shop" / f"{stream}.yml").write_text(f"stream: {stream}\n{lines}\n")
    return str(folder)


def create_shop(server: Server, folder: Path, options: str = "", lake: str = "lake") -> Shop:
    """Create a database with an empty schema `shop`, whose tables the reader may read."""
    name = f"shop_{uuid.uuid4().hex[:12]}"
    with server.connect() as connection:
        connection.execute(f"create database {name} {options}")
    shop = Shop(server, name, f"raw_{name}", folder / name, lake=lake)
    shop.execute(
        "create schema shop",
        "grant usage on schema shop to reader",
        "alter default privileges in schema shop grant select on tables to reader",
    )
    return shop


def with_accounts(server: Server, folder: Path, rows: int, balance: int) -> Iterator[Shop]:
    """Yield a shop with a table `accounts`, two rows to a block: 36,000 rows are 140 MB, and quickly made."""
    shop = create_shop(server, folder)
    shop.execute(
        "create table shop.accounts (id int primary key, balance int not null, price numeric(8,2), note text)"
        " with (fillfactor = 10)",
        f"insert into shop.accounts select i, {balance}, 1, repeat('n', 350) from generate_series(1, {rows}) i",
        "analyze shop.accounts",
    )
    yield shop
    shop.execute("drop table shop.accounts")
