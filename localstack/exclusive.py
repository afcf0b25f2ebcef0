"""One command at a time may change the local platform."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from localstack.errors import LocalError


@contextlib.contextmanager
def exclusive(lock: Path, command: str) -> Iterator[None]:
    """Hold the `lock` file while the block runs; the kernel lets go of it however the process ends.

    Raises LocalError, naming the process that holds it, when another command does.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            raise LocalError(f"{holder} is at work on {lock.parent.parent}; wait for it to end, or stop it") from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"`make {command}` (process {os.getpid()})".encode())
        yield
    finally:
        os.close(descriptor)
