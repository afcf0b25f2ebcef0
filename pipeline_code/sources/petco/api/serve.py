"""Serves the stand-ins until told to stop."""

import uvicorn

from petco.api.app import application
from petco.api.settings import Access
from petco.api.shop import Shop
from petco.database import Server


def serve(server: Server, access: Access, host: str, port: int) -> None:
    """Answers on host and port until SIGTERM. Requests are logged without their headers, which hold credentials."""
    uvicorn.run(
        application(Shop(server), access),
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
    )
