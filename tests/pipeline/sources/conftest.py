"""A PostgreSQL server of the postgres image's own scripts, without a container."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.postgres_programs import server_programs

ROOT = Path(__file__).resolve().parents[3]
POSTGRES = ROOT / "pipeline_code" / "postgres"
SOURCES = ROOT / "pipeline_code" / "sources"
sys.path.insert(0, str(SOURCES))


@dataclass(frozen=True)
class Shop:
    """A running server with the database `shop`; `secrets` holds one password file a role."""

    port: int
    secrets: Path
    restart: Callable[[], None]

    def password(self, role: str) -> str:
        return (self.secrets / role).read_text()

    def set_password(self, role: str, password: str) -> None:
        (self.secrets / role).write_text(password)

    def connect(self, role: str, database: str = "shop", password: str | None = None) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=role,
            dbname=database,
            password=self.password(role) if password is None else password,
            autocommit=True,
        )

    def init(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(POSTGRES / "postgres-init"), *arguments],
            env={
                "PATH": f"{server_programs()}:{os.environ['PATH']}",
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "POSTGRES_SECRETS": str(self.secrets),
                "POSTGRES_SQL": str(POSTGRES / "sql"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def petco_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(SOURCES),
            "SHOP_HOST": "127.0.0.1",
            "SHOP_PORT": str(self.port),
            "SHOP_PASSWORD": self.password("shop"),
        }

    def petco(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "petco", *arguments],
            env=self.petco_environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    programs = server_programs()
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    secrets, port = folder / "secrets", free_port()
    secrets.mkdir()
    # A copy: the account below cannot look into a checkout in somebody's home.
    image = shutil.copytree(POSTGRES, folder / "image")
    for role in ("postgres", "shop", "headwater_reader", "analytics"):
        (secrets / role).write_text(f"{role}-it's-a-test")
    # PostgreSQL refuses to run as root.
    account: list[str] = []
    if os.geteuid() == 0:
        account = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        for path in (folder, secrets):
            shutil.chown(path, "nobody", "nogroup")
    log = (folder / "log").open("w")
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "hba_file": str(image / "pg_hba.conf"),
    }
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(
            subprocess.Popen(
                [
                    *account,
                    str(image / "postgres-server"),
                    *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
                ],
                env={
                    "PATH": f"{programs}:{os.environ['PATH']}",
                    "PGDATA": str(folder / "data" / "15"),
                    "POSTGRES_SECRETS": str(secrets),
                    "POSTGRES_CONFIG": str(image / "postgresql.conf"),
                },
                stdout=log,
                stderr=log,
                cwd="/",
            )
        )
        deadline = time.monotonic() + 60
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert running[-1].poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()

    def stop() -> None:
        running[-1].send_signal(2)
        running[-1].wait(60)

    def restart() -> None:
        stop()
        start()

    try:
        start()
        yield Shop(port, secrets, restart)
    finally:
        stop()
        log.close()
        shutil.rmtree(folder)
