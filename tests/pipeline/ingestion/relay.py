"""Stands between a client and an HTTP server, and cuts a chosen request off: before, while or after it is done."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

HOP_BY_HOP = frozenset({"connection", "keep-alive", "expect"})


class _Broken(Exception):
    """The client's connection is to be closed without an answer."""


@dataclass
class Cut:
    """Call `action` at the `number`-th request that matches, at one point of it, and let the client hear nothing.

    `at`: `arrival` (the server never sees it), `midway` (it sees half of the body), `work` (it has seen all of it just
    now), `answer` (it has done it).
    """

    at: str
    request: str
    """Regular expression for method and path: `POST .*/tables/orders`."""
    action: Callable[[], None]
    number: int = 1
    reached: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Whether this request is the one."""
        if re.match(self.request, f"{method} {path}") is None:
            return False
        with self._lock:
            self._seen += 1
            return self._seen == self.number

    def break_off(self) -> NoReturn:
        """Do it."""
        self.reached.set()
        self.action()
        raise _Broken


class Relay:
    """Passes HTTP/1.1 requests to a server on another port of this machine; `cut` says which to break off."""

    def __init__(self, port: int, server: int) -> None:
        """Listen at `port` for the server at port `server`."""
        self.cut: Cut | None = None
        self.ready = threading.Event()
        """Until it is set, no request passes: so Kubernetes treats a server that is not ready."""
        self.ready.set()
        relay = self

        class Handler(_Handler):
            upstream = server

            @property
            def cut(self) -> Cut | None:
                return relay.cut

            @property
            def ready(self) -> bool:
                return relay.ready.is_set()

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: int

    @property
    def cut(self) -> Cut | None:
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        if not self.ready:
            self.close_connection = True
            return
        cut = self.cut
        if cut is not None and not cut.hits(self.command, self.path):
            cut = None
        self.close_connection = cut is not None
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=120)
        try:
            self._exchange(connection, cut)
        except (OSError, http.client.HTTPException, _Broken):
            self.close_connection = True  # what a client sees of a server that is gone
        finally:
            connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, cut: Cut | None) -> None:
        body = self._body()
        if cut is not None and cut.at == "arrival":
            cut.break_off()
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                connection.putheader(name, value)
        connection.endheaders()
        if cut is not None and cut.at == "midway":
            connection.send(body[: len(body) // 2])
            cut.break_off()
        connection.send(body)
        if cut is not None and cut.at == "work":
            cut.break_off()
        answer = connection.getresponse()
        content = answer.read()
        if cut is not None:
            cut.break_off()
        self._answer(answer, content)

    def _body(self) -> bytes:
        """Return the request's body as it is on the wire, in chunks or not."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = bytearray()
        while True:
            line = self.rfile.readline()
            found += line
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                break
            found += self.rfile.read(size + len(b"\r\n"))
        while line not in {b"\r\n", b""}:  # what may follow the last chunk
            line = self.rfile.readline()
            found += line
        return bytes(found)

    def _answer(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length", "transfer-encoding"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        if length is not None and answer.status not in {204, 304}:
            self.send_header("Content-Length", length)
        self.end_headers()
        with suppress(BrokenPipeError):
            self.wfile.write(body)
