"""Superset's own database, of the postgres image's scripts, and the environment that a pod has."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
POSTGRES = ROOT / "pipeline_code" / "postgres"
DASHBOARDS = ROOT / "pipeline_code" / "dashboards"
BINARIES = Path("/usr/lib/postgresql/15/bin")
PASSWORDS = {f"{user.upper()}_PASSWORD": f"{user}-has-a-derived-password" for user in ("admin", "editor", "viewer")}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    """The environment that names an empty database; a server of its own for this session."""
    if not (BINARIES / "initdb").exists():
        pytest.fail(f"{BINARIES}/initdb is missing: install Debian's postgresql-15")
    folder, port = Path(tempfile.mkdtemp(prefix="headwater-superset-")), free_port()
    # PostgreSQL refuses to run as root.
    account: list[str] = []
    if os.geteuid() == 0:
        account = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        shutil.chown(folder, "nobody", "nogroup")
    path = {"PATH": f"{BINARIES}:{os.environ['PATH']}"}
    data = folder / "data"
    made = ["initdb", "-D", str(data), "-U", "superset", "--auth=trust", "--no-sync"]
    subprocess.run([*account, *made], env=path, check=True, capture_output=True, cwd="/")
    log = (folder / "log").open("w")
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",
    }
    argv = [*account, "postgres", "-D", str(data)]
    argv += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    server = subprocess.Popen(argv, env=path, stdout=log, stderr=log, cwd="/")
    try:
        deadline = time.monotonic() + 60
        ready = [str(BINARIES / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
        yield {
            "SUPERSET_SECRET_KEY": "a-key-of-the-test-of-32-characters",
            "SUPERSET_DB_HOST": "127.0.0.1",
            "SUPERSET_DB_PORT": str(port),
            "SUPERSET_DB_NAME": "postgres",
            "SUPERSET_DB_USER": "superset",
            "SUPERSET_DB_PASSWORD": "not-asked-for",
        }
    finally:
        server.send_signal(2)
        server.wait(60)
        log.close()
        shutil.rmtree(folder)


def provision(environment: dict[str, str]) -> str:
    """Run the init Job's program; return what it says."""
    places = {"TRINO_HOST": "trino", "TRINO_PORT": "8080", "LAKE_CATALOG": "lake", "SUPERSET_LOG_LEVEL": "WARNING"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SUPERSET_")}
    done = subprocess.run(
        [sys.executable, "-m", "provision"],
        env={**inherited, **places, **PASSWORDS, **environment, "FLASK_APP": "superset.app:create_app()"},
        cwd=DASHBOARDS,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout
