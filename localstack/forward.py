"""Reach a service from this machine: at its NodePort, or through a port-forward where the cluster is elsewhere."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator

from localstack.endpoints import Endpoint, answers
from localstack.kube import Kube, context
from localstack.reporting import LocalError


@contextlib.contextmanager
def port_forward(kube: Kube, each: Endpoint, local: int = 0) -> Iterator[int]:
    """Forward 127.0.0.1:`local` (0: a free port) to the service while the block runs; yields the port."""
    argv = kube.argv("port-forward", "-n", each.namespace, f"service/{each.service}", f"{local or ''}:{each.port}")
    child = subprocess.Popen(
        argv, env=kube.home.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert child.stdout is not None  # noqa: S101 - PIPE above
        line = child.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise LocalError(f"no port-forward to {each.namespace}/{each.service}: {line}{child.stdout.read()}".strip())
        yield int(found.group(1))
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def reach(kube: Kube, each: Endpoint) -> Iterator[int]:
    """Yield a port of 127.0.0.1 that leads to the service. Raises LocalError when there is none."""
    if context() is None:
        if not answers(each.node_port):
            raise LocalError(f"{each.name} does not answer at {each.url}; `make logs c={each.name}` may show why")
        yield each.node_port
        return
    with port_forward(kube, each) as port:
        yield port
