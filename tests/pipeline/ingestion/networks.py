"""A network of its own that can fall silent: packets vanish, and no end is told."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNET = 0x40000000  # of <sched.h>


def refused() -> bool:
    """Whether this process may not make networks: a container, or a user who is not root."""
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0


@dataclass
class Network:
    """A network namespace, and its address as this machine reaches it."""

    name: str
    address: str
    _rescue: threading.Timer | None = None

    def listen(self) -> socket.socket:
        """Return a socket that listens at the address; what connects to it comes through the network."""

        def made() -> socket.socket:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path("/run/netns", self.name).open() as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.create_server((self.address, 0))

        # Only this thread moves over, and it ends here; a socket stays where it was made.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(made).result()

    def swallow(self) -> None:
        """Let nothing more through, in either direction, for a minute: who still waits then goes on, and no error."""
        self._drop("-I")
        self._rescue = threading.Timer(60, self._drop, ["-D"])
        self._rescue.start()

    def close(self) -> None:
        """End the silence's minute."""
        if self._rescue is not None:
            self._rescue.cancel()

    def _drop(self, action: str) -> None:
        for chain in ("INPUT", "OUTPUT"):
            _ip("netns", "exec", self.name, "iptables", action, chain, "-j", "DROP")


@contextmanager
def network() -> Iterator[Network]:
    """Make a network, and take it away."""
    name, near = f"headwater-{os.getpid()}", f"hw{os.getpid()}"
    first = os.getpid() % 64 * 4
    here, there = f"192.0.2.{first + 1}", f"192.0.2.{first + 2}"  # TEST-NET-1 is nobody's
    with ExitStack() as undo:
        _ip("netns", "add", name)
        undo.callback(_ip, "netns", "delete", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", name)
        undo.callback(_ip, "link", "delete", near)  # with the namespace it would go some time later
        _ip("address", "add", f"{here}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "address", "add", f"{there}/30", "dev", "far")
        _ip("-n", name, "link", "set", "far", "up")
        yield undo.enter_context(closing(Network(name, there)))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
