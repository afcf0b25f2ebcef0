"""Startup, readiness and liveness probes, made from one check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_kubernetes as k8s


@dataclass(frozen=True)
class HttpCheck:
    """GET `path` on the named port answers 2xx or 3xx."""

    path: str
    port: str


@dataclass(frozen=True)
class TcpCheck:
    """The named port accepts a connection."""

    port: str


@dataclass(frozen=True)
class CommandCheck:
    """The command exits 0."""

    command: Sequence[str]


@dataclass(frozen=True)
class GrpcCheck:
    """The gRPC health service on this port number reports `service` as serving."""

    port: int
    service: str


Check = HttpCheck | TcpCheck | CommandCheck | GrpcCheck


@dataclass(frozen=True)
class Probes:
    """One workload's three probes. Times in seconds.

    ready: may it get traffic. alive: must it be restarted; a cheaper or more patient check, `ready` where None.
    """

    ready: Check
    alive: Check | None = None
    startup_seconds: int = 300
    period: int = 10
    timeout: int = 5

    def startup(self) -> k8s.core.v1.ProbeArgs:
        """Return the startup probe: asked often, so that `pulumi up` goes on as soon as the workload is ready."""
        period = min(3, self.period)
        return _probe(self.ready, period, self.timeout, self.startup_seconds // period)

    def readiness(self) -> k8s.core.v1.ProbeArgs:
        """Return the readiness probe."""
        return _probe(self.ready, self.period, self.timeout, 3)

    def liveness(self) -> k8s.core.v1.ProbeArgs:
        """Return the liveness probe: a pod is restarted after two minutes of silence, not for one slow answer."""
        return _probe(self.ready if self.alive is None else self.alive, self.period * 2, self.timeout * 2, 6)


def _probe(check: Check, period: int, timeout: int, failures: int) -> k8s.core.v1.ProbeArgs:
    http = tcp = command = grpc = None
    match check:
        case HttpCheck():
            http = k8s.core.v1.HTTPGetActionArgs(path=check.path, port=check.port)
        case TcpCheck():
            tcp = k8s.core.v1.TCPSocketActionArgs(port=check.port)
        case CommandCheck():
            command = k8s.core.v1.ExecActionArgs(command=list(check.command))
        case GrpcCheck():
            grpc = k8s.core.v1.GRPCActionArgs(port=check.port, service=check.service)
    return k8s.core.v1.ProbeArgs(
        http_get=http,
        tcp_socket=tcp,
        exec_=command,
        grpc=grpc,
        period_seconds=period,
        timeout_seconds=timeout,
        failure_threshold=failures,
    )
