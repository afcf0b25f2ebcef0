"""A private PostgreSQL for benchmarks, from the server programs on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.postgres_programs import server_programs

PASSWORD = "benchmark"


@dataclass(frozen=True)
class Server:
    """Where it listens; the role is postgres."""

    host: str
    port: int

    def uri(self, database: str) -> str:
        """Return libpq's URI of a database."""
        return f"postgresql://postgres:{PASSWORD}@{self.host}:{self.port}/{database}"


@contextmanager
def server() -> Iterator[Server]:
    """Yield a running server with default settings but 1 GB of shared buffers; its data is removed at the end."""
    programs = server_programs()
    folder = Path(tempfile.mkdtemp(prefix="headwater-bench-postgres-"))
    (folder / "password").write_text(PASSWORD)
    switch: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(*command: str) -> None:
        subprocess.run([*switch, *command], check=True, cwd="/", stdout=subprocess.DEVNULL)

    data = str(folder / "data")
    secret = f"--pwfile={folder}/password"
    call(str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
         "--locale=C.UTF-8", secret)  # fmt: skip
    options = (
        f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        " -c shared_buffers=1GB -c max_wal_size=4GB"
    )
    control = [str(programs / "pg_ctl"), "-D", data, "-l", str(folder / "log"), "-w"]
    call(*control, "-o", options, "start")
    try:
        yield Server("127.0.0.1", port)
    finally:
        call(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)
