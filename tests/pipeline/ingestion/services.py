"""The catalog and the object store of the platform as private processes, which a test may kill.

Clients reach them through relays, so that a request can be cut off at a chosen point. conftest.py puts `VIA_RELAY`
into the environment before pyiceberg reads it; servers and relays start when the first test asks for them.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from relay import Relay

from localstack.home import Home
from tests import lake

CATALOG = "services"
"""Its name in pyiceberg's configuration; the other one, `lake`, is a folder with a SQL catalog."""
DIRECT = lake.Access()
VIA_RELAY = replace(DIRECT, catalog=lake.free_port(), store=lake.free_port())
MISSING = "no images of MinIO and the catalog on this machine: `make up` builds them"


@dataclass
class Services:
    """Both servers, running, and the relays before them."""

    lake: lake.Lake
    catalog: Relay
    store: Relay

    returning: list[threading.Timer] = field(default_factory=list)

    def kill(self, service: lake.Service, seconds: float | None = None) -> None:
        """Kill a server; after some seconds it is started again, on the same data, as Kubernetes does.

        Clients reach it when it says that it is ready, not before.
        """
        relay = self.store if service is self.lake.store else self.catalog
        relay.ready.clear()
        service.kill()

        def come_back() -> None:
            service.start()
            relay.ready.set()

        if seconds is not None:
            self.returning.append(threading.Timer(seconds, come_back))
            self.returning[-1].start()

    def ensure(self) -> None:
        """Start again what was killed; cut nothing any more."""
        self.catalog.cut = self.store.cut = None
        for timer in self.returning:
            timer.join()
        self.returning.clear()
        for service in (self.lake.store, self.lake.catalog):
            if service.process is None or service.process.poll() is not None:
                service.start()
        self.store.ready.set()
        self.catalog.ready.set()


@contextmanager
def running(database: lake.Database) -> Iterator[Services]:
    """Yield both servers and their relays, on data of their own; `database` is for the catalog.

    Skips the test where the programs can't be had, or fails it if HEADWATER_SERVICES=required.
    """
    with tempfile.TemporaryDirectory(prefix="headwater-services-") as folder:
        prepared = lake.prepare(Path(folder), Home.default().cache / "lake", database, DIRECT)
        if prepared is None:
            end = pytest.fail if os.environ.get("HEADWATER_SERVICES") == "required" else pytest.skip
            end(MISSING)
        with lake.running(prepared):
            catalog = Relay(VIA_RELAY.catalog, DIRECT.catalog)
            store = Relay(VIA_RELAY.store, DIRECT.store)
            try:
                yield Services(prepared, catalog, store)
            finally:
                catalog.close()
                store.close()
