"""A private PostgreSQL, an Iceberg catalog in a folder, and the tap and target run in this process.

Run with the environment of pipeline_code/ingestion/requirements/test.lock:
    python -m pytest tests/pipeline/ingestion
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import services

from tests.lake import Database
from tests.postgres_programs import server_programs

if TYPE_CHECKING:
    from crash_log import Log  # imports this module
    from exports import Exports

CODE = Path(__file__).parents[3] / "pipeline_code"
PACKAGES = CODE / "ingestion" / "packages"
sys.path[:0] = [str(path) for path in sorted(PACKAGES.iterdir())]
# The stand-ins of Stripe and Salesforce.
SOURCES = CODE / "sources"
sys.path.append(str(SOURCES))

# pyiceberg reads its environment once, when it is imported: one catalog a session, one namespace a test.
_LAKE = Path(tempfile.mkdtemp(prefix="headwater-lake-"))
os.environ["PYICEBERG_CATALOG__LAKE__TYPE"] = "sql"
os.environ["PYICEBERG_CATALOG__LAKE__URI"] = f"sqlite:///{_LAKE}/catalog.db"
os.environ["PYICEBERG_CATALOG__LAKE__WAREHOUSE"] = f"file://{_LAKE}/warehouse"
os.environ |= services.VIA_RELAY.environment(services.CATALOG)

# These import pyiceberg.
from pyiceberg.catalog import Catalog, load_catalog  # noqa: E402
from shops import PASSWORD, Server, Shop, contracts, create_shop, run_as_postgres, send, with_accounts  # noqa: E402

__all__ = ["PACKAGES", "PASSWORD", "SOURCES", "Server", "Shop", "contracts", "send", "with_accounts"]
"""What tests import from here."""

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
    run_as_postgres(*initdb, "--locale=C.UTF-8", f"--pwfile={folder}/password")
    run_as_postgres(*control, "-o", options, "start")
    try:
        running = Server("127.0.0.1", port, tuple(control))
        with running.connect() as connection:
            connection.execute(f"create role reader login password '{PASSWORD}'")
        yield running
    finally:
        run_as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


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


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    """A folder of files, empty yet, and a namespace for what is loaded of it."""
    from exports import Exports  # which imports the taps and the target

    made = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    made.root.mkdir()
    return made
