"""Worlds for the differential tests: one in folders, one on the platform's catalog, object store and Trino."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import services
from conftest import Server

from differential.engines import DuckDb, PyIceberg
from differential.harness import World
from differential.trino_engine import Trino
from localstack.home import Home
from tests import trino_server

collect_ignore = [] if "HEADWATER_SOAK_SEED" in os.environ else ["test_old_faults.py"]
"""Minutes: `make soak only=differential` asks for it."""


@pytest.fixture
def quiet() -> Iterator[None]:
    """What runs log at level INFO is more than a failure's story."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session")
def world(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Databases of all places in one server, a lake in a folder, and the engines that need no service."""
    made = World(server, tmp_path_factory.mktemp("differential"), [DuckDb(), PyIceberg()])
    yield made
    print(f"\n{made.count}")


@pytest.fixture(scope="session")
def served_world(
    private_services: services.Services, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A world whose lake is the REST catalog and MinIO, with Trino beside."""
    folder = tmp_path_factory.mktemp("three")
    with trino_server.running(folder, Home.default().cache / "lake", services.DIRECT, heap="1g") as port:
        trino = Trino(port)
        made = World(server, folder, [trino, DuckDb(store=True), PyIceberg()], services.CATALOG, trino.compact)
        yield made
        print(f"\n{made.count}")
