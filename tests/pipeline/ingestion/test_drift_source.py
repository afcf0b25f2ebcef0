"""A source that goes away, changes its password or answers slowly: nothing is lost, and the message says why."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from conftest import PASSWORD, Server, Shop
from networks import Network, network, refused
from tap_postgres_arrow import engine
from tap_postgres_arrow.engine import SourceError
from tap_postgres_arrow.main import Run
from tap_postgres_arrow.settings import PROGRAM

needs_a_network = pytest.mark.skipif(refused(), reason="this user may not make a network of its own")

MIDWAY = 500_000
"""Bytes of answers after which a network breaks: a part of what the tests load."""


class Relay:
    """Passes connections on to a server, in pieces of `piece` bytes; cuts them all after `limit` bytes of answers.

    With a `network` it listens there, and then the network falls silent: nothing is cut.
    """

    def __init__(
        self, server: Server, *, piece: int = 65_536, limit: int | None = None, network: Network | None = None
    ) -> None:
        self._server, self._piece, self._limit, self._network = server, piece, limit, network
        self.answered = 0
        self._listener = socket.create_server(("127.0.0.1", 0)) if network is None else network.listen()
        self.host, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._server.host, self._server.port))
            for source, sink, counts in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass_on, args=(source, sink, counts), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        try:
            while data := source.recv(self._piece):
                if counts:
                    self.answered += len(data)
                    if self._limit is not None and self.answered > self._limit:
                        if self._network is None:
                            break
                        self._network.swallow()
                        self._limit = None
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the other direction, too


@contextmanager
def relayed(server: Server, **settings: Any) -> Iterator[Relay]:
    relay = Relay(server, **settings)
    try:
        yield relay
    finally:
        relay.close()


def breaks_midway(shop: Shop, relay: Relay) -> None:
    """Read through a relay whose limit is MIDWAY: the run fails, and the next one, without it, loads all."""
    more = "select i, 'placed', 1, repeat('x', 100), now() from generate_series(2000, 20000) i"
    shop.execute(f"insert into shop.orders {more}")
    with pytest.raises(SourceError, match="PostgreSQL at "):
        shop.extract_lines(host=relay.host, port=relay.port)
    assert relay.answered > MIDWAY, "it broke while rows were on their way"
    shop.replicate()
    assert shop.count("orders") == 19_001


def test_network_that_is_cut_midway_loads_nothing_and_then_everything(shop: Shop) -> None:
    with relayed(shop.server, limit=MIDWAY) as relay:
        breaks_midway(shop, relay)


@needs_a_network
def test_network_that_swallows_packets_ends_the_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that the connection is gone: a run that waits for the next row waits for ever."""
    monkeypatch.setattr(engine, "CLIENT", in_seconds(engine.CLIENT))
    with network() as quiet, relayed(shop.server, limit=MIDWAY, network=quiet) as relay:
        breaks_midway(shop, relay)


@needs_a_network
def test_question_that_a_network_swallows_ends_the_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is sent again for a quarter of an hour, and while it is, keepalive asks nothing."""
    monkeypatch.setattr(engine, "CLIENT", in_seconds(engine.CLIENT))
    with network() as quiet, relayed(shop.server, network=quiet) as relay:
        tap = Run(PROGRAM.checked({**shop.settings, "host": relay.host, "port": relay.port}))
        quiet.swallow()
        with pytest.raises(SourceError):
            tap.source.tables("shop")
        tap.close()


def in_seconds(client: str) -> str:
    """Return libpq's parameters with seconds where they have half minutes."""
    for long, short in (("idle=30", "idle=1"), ("interval=10", "interval=1"), ("timeout=60000", "timeout=2000")):
        assert long in client
        client = client.replace(long, short)
    return client


def test_source_that_answers_slowly_is_waited_for(shop: Shop) -> None:
    with relayed(shop.server, piece=512) as relay:
        shop.replicate(port=relay.port)
        assert relay.answered > 20_000
    assert shop.count("orders") == 1000


def test_password_that_changes_midway_is_no_matter_until_the_next_run(shop: Shop) -> None:
    tap = Run(PROGRAM.checked(shop.settings))
    try:
        with shop.server.connect() as connection:
            connection.execute("alter role reader password 'rotated'")
        assert tap.source.tables("shop")[0].name == "orders", "a connection that is open stays open"
        with pytest.raises(SourceError, match="password authentication failed for user"):
            shop.extract_lines()
        shop.load(shop.extract_lines(password="rotated"))
    finally:
        tap.close()
        with shop.server.connect() as connection:
            connection.execute(f"alter role reader password '{PASSWORD}'")
    assert shop.count("orders") == 1000


def test_source_that_restarts_midway_fails_the_run_and_the_next_one_is_right(shop: Shop) -> None:
    tap = Run(PROGRAM.checked(shop.settings))
    shop.server.restart()
    try:
        with pytest.raises(SourceError):
            tap.source.tables("shop")
    finally:
        tap.close()
    shop.replicate()
    assert shop.count("orders") == 1000


def test_table_that_is_locked_by_a_migration_is_not_waited_for_forever(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration holds its lock for as long as it takes; the run must say what it waits for, and end."""
    monkeypatch.setitem(engine.SESSION, "lock_timeout", "'100ms'")
    with shop.connect() as connection, connection.transaction():
        connection.execute("lock table shop.orders in access exclusive mode")
        with pytest.raises(SourceError, match="lock timeout"):
            shop.extract_lines()
    shop.replicate()
    assert shop.count("orders") == 1000
