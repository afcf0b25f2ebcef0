"""The connection to a catalog that does not answer."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
import requests
from pyiceberg.catalog import Catalog
from pyiceberg.utils.config import Config
from target_iceberg import lake

NAME = "silent"


class Catalogs(http.server.ThreadingHTTPServer):
    """A REST catalog that answers `answers` requests and is silent from then on, until `over`."""

    def __init__(self, answers: int) -> None:
        """Listen on a free port of loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.over = threading.Event()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Catalogs

    def do_GET(self) -> None:
        if self.server.answers == 0:
            self.server.over.wait()
            return
        self.server.answers -= 1
        body = b'{"defaults": {}, "overrides": {}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def catalogs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalog of pyiceberg's configuration that falls silent after `request.param` answers."""
    with Catalogs(request.param) as server:
        monkeypatch.setenv(f"PYICEBERG_CATALOG__{NAME.upper()}__URI", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())
        monkeypatch.setattr(lake, "SILENCE_SECONDS", 0.5)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("catalogs", [0], indirect=True)
@pytest.mark.usefixtures("catalogs")
def test_connecting_to_a_silent_catalog_ends() -> None:
    """A run that hangs for ever at its start, and holds back the next ones, because a catalog's host is gone."""
    with pytest.raises(requests.Timeout):
        lake.connect(NAME)


@pytest.mark.parametrize("catalogs", [1], indirect=True)
@pytest.mark.usefixtures("catalogs")
def test_a_catalog_that_falls_silent_ends_the_call() -> None:
    """A run that hangs for ever between two calls; the commit's outcome is then looked up by the next one."""
    catalog: Catalog = lake.connect(NAME)
    with pytest.raises(requests.Timeout):
        catalog.list_namespaces()
