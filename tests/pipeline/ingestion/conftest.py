"""A private PostgreSQL, an Iceberg catalog in a folder, and the tap and target run in this process.

Run with the environment of pipeline_code/ingestion/requirements/test.lock:
    python -m pytest tests/pipeline/ingestion
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import services

from tests.lake import Database
from tests.postgres_programs import server_programs

if TYPE_CHECKING:
    from crash_log import Log  # imports this module

PACKAGES = Path(__file__).parents[3] / "pipeline_code" / "ingestion" / "packages"
sys.path[:0] = [str(path) for path in sorted(PACKAGES.iterdir())]

# pyiceberg reads its environment once, when it is imported: one catalog a session, one namespace a test.
_LAKE = Path(tempfile.mkdtemp(prefix="headwater-lake-"))
os.environ["PYICEBERG_CATALOG__LAKE__TYPE"] = "sql"
os.environ["PYICEBERG_CATALOG__LAKE__URI"] = f"sqlite:///{_LAKE}/catalog.db"
os.environ["PYICEBERG_CATALOG__LAKE__WAREHOUSE"] = f"file://{_LAKE}/warehouse"
os.environ |= services.VIA_RELAY.environment(services.CATALOG)

from pyiceberg.catalog import Catalog, load_catalog  # noqa: E402
from pyiceberg.table import Table  # noqa: E402
from tap_postgres_arrow.main import BulkRun  # noqa: E402
from tap_postgres_arrow.settings import for_bulk  # noqa: E402
from tap_postgres_arrow.tap import TapPostgresArrow  # noqa: E402
from target_iceberg.main import BulkTarget  # noqa: E402
from target_iceberg.messages.target import TargetIceberg  # noqa: E402
from target_iceberg.settings import for_bulk as target_for_bulk  # noqa: E402

PASSWORD = "p@ss/w:rd"  # what a URI would take apart


collect_ignore = [] if "HEADWATER_SOAK_SEED" in os.environ else ["soak"]
"""The long versions take an hour: `make soak` asks for them."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "services: needs the platform's catalog and object store")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what -m did not choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the services, so that none is forgotten where they can be had."""
    for item in items:
        if isinstance(item, pytest.Function) and "private_services" in item.fixturenames:
            item.add_marker("services")


def pytest_sessionfinish() -> None:
    shutil.rmtree(_LAKE, ignore_errors=True)


def _run_as_postgres(*command: str) -> None:
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
        _run_as_postgres(*self.control, "-m", "fast", "restart")

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.host, port=self.port, dbname=database, user=user, password=PASSWORD, autocommit=True
        )


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    programs = server_programs()
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    initdb = [str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
    options += " -c wal_level=logical -c max_slot_wal_keep_size=10GB"
    control = [str(programs / "pg_ctl"), "-D", data, "-l", str(folder / "log"), "-w"]
    _run_as_postgres(*initdb, "--locale=C.UTF-8", f"--pwfile={folder}/password")
    _run_as_postgres(*control, "-o", options, "start")
    try:
        running = Server("127.0.0.1", port, tuple(control))
        with running.connect() as connection:
            connection.execute(f"create role reader login password '{PASSWORD}'")
        yield running
    finally:
        _run_as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


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
        config = {**self.settings, **settings}
        state = json.loads(json.dumps(self.state))
        bulk = for_bulk(config)
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(output):
            if bulk is not None:  # as the tap's command decides
                send_in_bulk(bulk, state, catalog)
            else:
                send_through_the_sdk(config, state, catalog)
        output.seek(0)
        return output.read()

    def load(self, messages: list[dict[str, Any]] | str, **settings: Any) -> None:
        """Run the target over messages (or Singer lines) and keep the state that it lets go of."""
        lines = messages if isinstance(messages, str) else "\n".join(json.dumps(message) for message in messages)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            fixed = {"catalog": self.lake, "namespace": self.namespace, "validate_records": False}
            config = {**fixed, **self.contracts, **settings}
            chosen = target_for_bulk(config)
            try:
                if chosen is not None:  # as the target's command decides
                    BulkTarget(config, chosen).listen(line + "\n" for line in lines.split("\n") if line)
                else:
                    TargetIceberg(config=config).listen(io.StringIO(lines.rstrip("\n") + "\n"))
            finally:
                for line in output.getvalue().splitlines():
                    self.state = json.loads(line)

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


def send_in_bulk(config: dict[str, Any], state: dict[str, Any], catalog: dict[str, Any] | None = None) -> None:
    """Run the tap as main.py does, messages on standard output. `config` has its defaults."""
    run = BulkRun(config)
    try:
        run.sync(catalog, state)
    finally:
        run.close()


def send_through_the_sdk(config: dict[str, Any], state: dict[str, Any], catalog: dict[str, Any] | None = None) -> None:
    """Run the tap as the SDK does, messages on standard output."""
    tap = TapPostgresArrow(config=config, state=state, catalog=catalog)
    try:
        tap.sync_all()
    finally:
        tap.close()


def contracts(folder: Path, **streams: str) -> str:
    """Write contracts (stream → lines of YAML) below `folder`; return the target's setting."""
    (folder / "shop").mkdir(parents=True, exist_ok=True)
    (folder / "shop" / "_source.yml").write_text("title: Shop\nkind: postgres\ntap: tap-shop\n")
    for stream, lines in streams.items():
        (folder / "shop" / f"{stream}.yml").write_text(f"stream: {stream}\n{lines}\n")
    return str(folder)


@pytest.fixture
def catalog() -> Catalog:
    return load_catalog("lake")


@pytest.fixture(scope="session")
def private_services(server: Server) -> Iterator[services.Services]:
    """The platform's catalog and object store; where they can't be had, tests that need them are skipped."""
    with server.connect() as connection:
        connection.execute("create database lake_catalog")
    database = Database(server.host, server.port, "lake_catalog", "postgres", PASSWORD)
    with services.running(database) as found:
        yield found


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


@pytest.fixture
def new_shop(server: Server, tmp_path: Path) -> Callable[..., Shop]:
    return lambda options="", lake="lake": create_shop(server, tmp_path, options, lake)


@pytest.fixture
def shop(new_shop: Callable[[], Shop]) -> Shop:
    """A shop with 1,000 orders, updated one second apart over the last hour."""
    shop = new_shop()
    shop.execute(
        "create table shop.orders (order_id bigint primary key, status text not null, fee numeric(12,2) not null,"
        " note text, updated_at timestamptz not null)",
        "insert into shop.orders select i, 'placed', i * 0.01, null, now() - make_interval(secs => 1001 - i)"
        " from generate_series(1, 1000) i",
    )
    return shop


@pytest.fixture
def served(private_services: services.Services, new_shop: Callable[..., Shop], request: pytest.FixtureRequest) -> Log:
    """Two tables, loaded once through the private services; the test's parameter says how (append by default)."""
    from crash_log import Log

    private_services.ensure()
    log = Log.of(new_shop(lake=services.CATALOG))
    log.layout, log.write = "pipe", getattr(request, "param", "append")
    first = log.run()
    assert first.complete, first.log
    return log
