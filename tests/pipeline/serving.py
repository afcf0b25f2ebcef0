"""Serves an ASGI application on a free port of this machine, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Yield the server's address, http://127.0.0.1:<port>, once it answers; stop it at the end."""
    import uvicorn  # here: not every environment of tests/pipeline has it

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        settings = {"log_level": "warning", "access_log": False, "server_header": False, "date_header": False}
        server = uvicorn.Server(uvicorn.Config(app, **settings))
        started = threading.Event()
        startup = server.startup

        async def announcing(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets=sockets)
            started.set()

        server.startup = announcing  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert started.wait(20), "the server did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
