"""Starts and stops the AWS emulator: moto, at the address that Pulumi.localstack.yaml names."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from localstack import daemons
from localstack.console import Console
from localstack.daemons import Daemon
from localstack.errors import LocalError
from localstack.home import CHECKOUT, Home

STACK_FILE = "Pulumi.localstack.yaml"
SETTING = "headwater:aws"
READY_S = 60
"""moto loads its services while it starts: 3 s on an idle machine."""


@dataclass(frozen=True)
class Address:
    """Where the emulator listens: an IPv4 address of this machine, and a port."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The endpoint, as clients of AWS are told."""
        return f"http://{self.host}:{self.port}"


def address(checkout: Path = CHECKOUT) -> Address:
    """Return the address in the stack's file. Raises LocalError when nothing can be started there."""
    file = checkout / STACK_FILE
    try:
        endpoint = yaml.safe_load(file.read_text())["config"].get(SETTING, {}).get("endpoint")
    except yaml.YAMLError as error:
        raise LocalError(f"{STACK_FILE} can't be read as YAML: {' '.join(str(error).split())}") from error
    place = f"{STACK_FILE}, {SETTING}.endpoint={endpoint!r}"
    try:
        parts = urlsplit(str(endpoint))
        host, port = ipaddress.IPv4Address(parts.hostname or ""), parts.port
    except ValueError as error:
        raise LocalError(f"{place} is no http://<IPv4 address>:<port>: there is nothing to start here") from error
    if parts.scheme != "http" or port is None:
        raise LocalError(f"{place}: the emulator speaks plain HTTP at a port, as http://10.231.77.1:4566 says")
    if host.is_unspecified:
        raise LocalError(f"{place}: pods can't reach that, and everybody else could; name one address of this machine")
    return Address(str(host), port)


def daemon(home: Home) -> Daemon:
    """The emulator's process."""
    return Daemon("aws-emulator", home.run, home.logs)


def argv(place: Address) -> list[str]:
    """The command line: moto of the project's own Python environment."""
    return [sys.executable, "-m", "moto.server", "-H", place.host, "-p", str(place.port)]


def answers(place: Address, timeout_s: float = 2) -> bool:
    """Whether moto answers at the address."""
    return daemons.answers(place.host, place.port, "/moto-api/data.json", timeout_s)


def up(home: Home, console: Console, place: Address | None = None) -> Address:
    """Start the emulator unless it runs, empty; return where. Raises LocalError when it can't listen there."""
    chosen = address() if place is None else place
    with console.step("AWS emulator", estimate_s=5) as step:
        process = daemon(home)
        ran = process.alive()
        if ran and not process.started_as(argv(chosen), ""):
            raise LocalError(
                f"it runs at another address than {chosen.url} of {STACK_FILE}, and holds data in memory: "
                "`make emulator stop=1` ends it"
            )
        if not ran:
            _refuse_unusable(chosen)
            process.start(argv(chosen))
        process.wait("the AWS emulator", chosen.url, lambda: answers(chosen), READY_S)
        if ran:
            step.skip(f"runs at {chosen.url}")
        else:
            step.update(f"answers at {chosen.url}")
    return chosen


def _refuse_unusable(place: Address) -> None:
    """Raise LocalError, with the way out, when nothing can listen at the address."""
    with socket.socket() as probe:
        # As the emulator itself does: connections that have just ended do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise LocalError(
                    f"{place.host} is no address of this machine: `make up` makes the cluster's node, which has it; "
                    f"for a cluster elsewhere, name in {STACK_FILE} an address of this machine that its pods reach"
                ) from error
            if error.errno == errno.EADDRINUSE:
                raise LocalError(f"port {place.port} on {place.host} is taken: `ss -ltnp` shows by what") from error
            raise LocalError(f"nothing can listen at {place.url}: {error.strerror}") from error


def status_line(home: Home) -> str | None:
    """Return where the emulator runs, for `make status`; None when it does not."""
    process = daemon(home)
    record = process.record()
    if record is None or not process.alive():
        return None
    place = Address(record.argv[-3], int(record.argv[-1]))
    state = "at" if answers(place) else "does not answer at"
    return f"AWS emulator: {state} {place.url}, its data in memory only; log {process.log}"


def down(home: Home, console: Console) -> bool:
    """Stop the emulator, whose data ends with it; return whether it ran."""
    process = daemon(home)
    if not process.alive():
        return False
    with console.step("Stop the AWS emulator"):
        process.stop(grace_s=5)
    return True


def destroy(home: Home) -> None:
    """Stop the emulator."""
    daemon(home).stop(grace_s=5)
