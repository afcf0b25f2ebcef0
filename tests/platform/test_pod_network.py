"""Where pods get on the cluster of `make up`: to this machine, and no further. docs/sources.md says what follows."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from typing import Any

import pytest

from localstack.cluster.layout import NODE_ADDRESS

pytestmark = pytest.mark.skipif("HEADWATER_KUBE_CONTEXT" in os.environ, reason="that cluster is the user's own")
# Of a network that is kept for examples: nobody is there.
ELSEWHERE = "192.0.2.1"


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server of this machine at the node's address."""
    server = HTTPServer((NODE_ADDRESS, 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pod_reaches_this_machine_and_nothing_beyond(kubectl: Callable[..., Any], port: int) -> None:
    """A tunnel at the node's address that no pod can use; or a pod that sends what it reads to anywhere."""
    script = (
        "import socket\n"
        f"for place in (('{NODE_ADDRESS}', {port}), ('{ELSEWHERE}', 80)):\n"
        "    try: socket.create_connection(place, 20).close(); print('reached')\n"
        "    except OSError as error: print(type(error).__name__)\n"
    )
    said = kubectl("exec", "-n", "headwater", "deploy/dagster-daemon", "--", "python", "-c", script, output="")
    assert said.split() == ["reached", "ConnectionRefusedError"], "refused at once: a wait would tell of no rule"
