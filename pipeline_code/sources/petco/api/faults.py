"""Deliberate faults, for the tests of the stand-ins' clients."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["429", "500", "html", "truncated", "again", "slow"]
"""429: too many requests. html: a proxy's page with status 200. truncated: half of the body, with the length of half.
again: what this client got for its request before this one, a page twice. slow: the answer after a second."""
SLOW_S = 1.0
_HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, at the next request whose path starts with `path`."""

    kind: Kind
    path: str = "/"


class Faults:
    """Faults that are still to come, in this order; and how many requests there were."""

    def __init__(self, planned: Iterable[Fault] = ()) -> None:
        self._planned = deque(planned)
        self.requests = 0
        self.answers: dict[str, list[Message]] = {}

    def plan(self, *faults: Fault) -> None:
        """Adds faults; what was answered before is not given again."""
        self._planned.extend(faults)
        self.answers.clear()

    @property
    def left(self) -> int:
        """How many have not happened yet."""
        return len(self._planned)

    def next(self, path: str) -> Kind | None:
        """Counts a request and returns what is to go wrong with it."""
        self.requests += 1
        if self._planned and path.startswith(self._planned[0].path):
            return self._planned.popleft().kind
        return None


class Faulty:
    """Wraps the stand-ins' application."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, well or badly."""
        kind = self._faults.next(scope["path"]) if scope["type"] == "http" else None
        if scope["type"] != "http" or (kind is None and not scope["path"]):
            await self._app(scope, receive, send)
            return
        match kind:
            case "429":
                await _answer(send, 429, b'{"error":{"type":"invalid_request_error","code":"rate_limit"}}', wait="0")
                return
            case "500":
                await _answer(send, 500, b'{"error":{"type":"api_error","message":"An error occurred."}}')
                return
            case "html":
                await _answer(send, 200, _HTML, content_type="text/html")
                return
            case "slow":
                await asyncio.sleep(SLOW_S)
        if kind == "again" and scope["path"] in self._faults.answers:
            messages = self._faults.answers[scope["path"]]
        else:
            messages = await self._collect(scope, receive)
            self._faults.answers[scope["path"]] = messages
        for message in _halved(messages) if kind == "truncated" else messages:
            await send(message)

    async def _collect(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages


def _halved(messages: list[Message]) -> list[Message]:
    """The answer with the first half of its body, and a length to match: only its content tells."""
    start, *rest = messages
    body = b"".join(message.get("body", b"") for message in rest)
    body = body[: len(body) // 2]
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    length = (b"content-length", str(len(body)).encode())
    return [{**start, "headers": [*headers, length]}, {"type": "http.response.body", "body": body}]


async def _answer(
    send: Send, status: int, body: bytes, *, content_type: str = "application/json", wait: str | None = None
) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if wait is not None:
        headers.append((b"retry-after", wait.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
