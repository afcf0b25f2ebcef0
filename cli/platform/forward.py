"""Connects to a service from this machine: at its node port, or else through a port-forward."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from collections import deque
from collections.abc import Iterator

from cli.platform.endpoints import Endpoint, answers
from cli.platform.kube import Kube
from localstack.errors import LocalError


@contextlib.contextmanager
def port_forward(kube: Kube, each: Endpoint, local: int | None = None) -> Iterator[int]:
    """Forward 127.0.0.1:`local` (None: a free port) to the service while the block runs; yields the port."""
    ports = f"{'' if local is None else local}:{each.port}"
    argv = kube.argv("port-forward", "-n", each.namespace, f"service/{each.name}", ports)
    child = subprocess.Popen(argv, env=kube.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert child.stdout is not None  # noqa: S101 - PIPE above
        line = child.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise LocalError(f"no port-forward to {each.namespace}/{each.name}: {line}{child.stdout.read()}".strip())
        # kubectl says a line for each connection: where nobody reads them, it stops after some 2,000.
        threading.Thread(target=deque, args=(child.stdout, 0), daemon=True).start()
        yield int(found.group(1))
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def reach(kube: Kube, name: str) -> Iterator[str]:
    """Yield an address of this machine that leads to the service, without a path. Raises LocalError if none does."""
    each = kube.platform.endpoint(name)
    if kube.platform.context is None and each.node_port is not None:
        if not answers(each.node_port):
            logs = kube.platform.make(f"logs c={name}")
            raise LocalError(f"{name} does not answer at {each.url()}; `{logs}` may show why")
        yield each.address(each.node_port)
        return
    with port_forward(kube, each) as port:
        yield each.address(port)
