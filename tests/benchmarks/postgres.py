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
    """Where it listens; the role is postgres. `folder` has its data and its log, `options` what it is started with."""

    host: str
    port: int
    folder: Path
    options: str

    def uri(self, database: str) -> str:
        """Return libpq's URI of a database."""
        return f"postgresql://postgres:{PASSWORD}@{self.host}:{self.port}/{database}"

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.folder / "data"

    @property
    def process(self) -> int:
        """The process id of the running server, parent of all its others."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._control("-o", self.options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` writes all to the disk before, `immediate` does not."""
        self._control("-m", mode, "stop")

    def _control(self, *words: str) -> None:
        call("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", *words)


def call(program: str, *words: str) -> None:
    """Run one of PostgreSQL's server programs, as another user where we are root: it refuses to run as root."""
    switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    command = [*switch, str(server_programs() / program), *words]
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)


@contextmanager
def server(*, durable: bool = False, buffers: str = "1GB") -> Iterator[Server]:
    """Yield a running server with default settings but its shared buffers; its data is removed at the end.

    A commit waits for the disk only if it is to be `durable`.
    """
    folder = Path(tempfile.mkdtemp(prefix="headwater-bench-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        secret = f"--pwfile={folder}/password"
        call("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
             "--locale=C.UTF-8", secret)  # fmt: skip
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories="
            f" -c fsync={'on' if durable else 'off'} -c shared_buffers={buffers} -c max_wal_size=4GB"
        )
        running = Server("127.0.0.1", port, folder, options)
        running.start()
        try:
            yield running
        finally:
            running.stop("immediate")
    finally:
        shutil.rmtree(folder)
