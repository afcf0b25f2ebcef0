"""The current time, which a test can change; every answer contains it as its Date."""

import time
from collections.abc import Callable
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Clock = Callable[[], float]
"""Seconds since 1970."""

now: Clock = time.time


class Dated:
    """Puts the clock's time into the Date of each answer; the server below must leave out its own."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = formatdate(self._clock(), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)
