"""Where the platform's services answer on this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """A service for people: its name, namespace, Service port, and its NodePort on 127.0.0.1."""

    name: str
    service: str
    namespace: str
    port: int
    node_port: int
    path: str
    purpose: str

    @property
    def url(self) -> str:
        """Return the address on this machine."""
        scheme = "postgresql" if self.name == "shop" else "http"
        return f"{scheme}://127.0.0.1:{self.node_port}{self.path}"


ENDPOINTS = (
    Endpoint("superset", "superset", "headwater", 8088, 30088, "/", "dashboards"),
    Endpoint("dagster", "dagster", "headwater", 3000, 30070, "/", "pipeline, lineage, runs"),
    Endpoint("trino", "trino", "headwater", 8080, 30080, "/ui/", "SQL"),
    Endpoint("shop", "shop", "petco", 5432, 30432, "/shop", "the example company's source database"),
)


def endpoint(name: str) -> Endpoint:
    """Return the endpoint of that name. Raises KeyError."""
    return {each.name: each for each in ENDPOINTS}[name]


def answers(port: int, timeout_s: float = 1.0) -> bool:
    """Return whether something accepts connections on 127.0.0.1:`port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s):
            return True
    except OSError:
        return False
