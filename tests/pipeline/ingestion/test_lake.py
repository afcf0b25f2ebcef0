"""The connection to a catalog that does not answer."""

from __future__ import annotations

import http.server
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pyiceberg.catalog import AVAILABLE_CATALOGS, Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import NestedField, StringType
from pyiceberg.utils.config import Config
from target_iceberg import lake
from target_iceberg.state import ledger

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


@pytest.mark.parametrize("catalogs", [1], indirect=True)
@pytest.mark.usefixtures("catalogs")
def test_connecting_changes_nothing_for_others() -> None:
    """pyiceberg's own table of catalogs is the process's: whoever else uses it gets what pyiceberg makes."""
    before = dict(AVAILABLE_CATALOGS)
    lake.connect(NAME)
    assert before == AVAILABLE_CATALOGS


def test_runs_that_end_together_wait_before_they_try_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tries were spent in milliseconds, while the other run was still committing."""
    waits: list[float] = []
    monkeypatch.setattr(ledger.time, "sleep", waits.append)
    schema = Schema(NestedField(1, "stream", StringType(), required=True))
    book = ledger.Ledger(catalog, f"raw_{uuid.uuid4().hex}", "book", schema)
    book.replace({"stream": ["a"]}, [{"stream": "a"}])
    append, refused = Table.append, iter([True, True, True])

    def conflict(table: Table, *arguments: Any, **options: Any) -> None:
        if next(refused, False):
            raise CommitFailedException("another run was faster")
        append(table, *arguments, **options)

    monkeypatch.setattr(Table, "append", conflict)
    book.replace({"stream": ["b"]}, [{"stream": "b"}])
    assert {row["stream"] for row in book.rows({"stream": ["a", "b"]})} == {"a", "b"}
    assert len(waits) == 3
    assert waits == sorted(waits)
    assert sum(waits) > 0.3
