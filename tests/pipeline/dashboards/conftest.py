"""Superset as a pod has it: its database, its cache, its identity provider, provisioned by the init Job's program.

One application for the session: Superset reads its configuration once in a process.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.postgres_programs import server_programs

sys.path.insert(0, str(Path(__file__).parent))
from identity_provider import CLIENT, SECRET, Provider, serve

ROOT = Path(__file__).resolve().parents[3]
POSTGRES = ROOT / "pipeline_code" / "postgres"
DASHBOARDS = ROOT / "pipeline_code" / "dashboards"
CACHE_SERVER = ROOT / "pipeline_code" / "cache" / "cache-server"
CACHE_PASSWORD = "derivedPassword0123456789"
ROLES = {"platform": "admin", "analysts": "editor", "everyone": "viewer"}
PASSWORDS = {f"{user.upper()}_PASSWORD": f"{user}-has-a-derived-password" for user in ("admin", "editor", "viewer")}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    """The environment that names an empty database; a server of its own for this session."""
    programs = server_programs()
    folder, port = Path(tempfile.mkdtemp(prefix="headwater-superset-")), free_port()
    # PostgreSQL refuses to run as root.
    account: list[str] = []
    if os.geteuid() == 0:
        account = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        shutil.chown(folder, "nobody", "nogroup")
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    data = folder / "data"
    made = [
        "initdb",
        "-D",
        str(data),
        "-U",
        "superset",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
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
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
        yield {
            "SUPERSET_HOME": str(folder / "superset"),
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


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def cache() -> Iterator[int]:
    """The port of a Redis that the image's own script has started, with room for 16 MB."""
    folder, port = Path(tempfile.mkdtemp(prefix="headwater-cache-")), free_port()
    (folder / "password").write_text(CACHE_PASSWORD)
    log = (folder / "log").open("w")
    environment = {"PATH": os.environ["PATH"], "CACHE_SECRETS": str(folder), "CACHE_BIND": "127.0.0.1",
                   "CACHE_PORT": str(port), "CACHE_MEMORY": "16mb"}  # fmt: skip
    server = subprocess.Popen([str(CACHE_SERVER)], env=environment, stdout=log, stderr=log, cwd="/")
    try:
        client = redis.Redis(port=port, password=CACHE_PASSWORD)
        deadline = time.monotonic() + 60
        while True:
            try:
                assert client.ping()
                break
            except redis.ConnectionError:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
        yield port
    finally:
        server.terminate()
        server.wait(30)
        log.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def variables(database: dict[str, str], provider: Provider, cache: int) -> dict[str, str]:
    """The environment of a pod of a stack that has everything."""
    return {
        **database,
        "SUPERSET_HTTPS": "true",
        "SUPERSET_OIDC_ISSUER": provider.issuer,
        "SUPERSET_OIDC_CLIENT": CLIENT,
        "SUPERSET_OIDC_SECRET": SECRET,
        "SUPERSET_OIDC_SCOPES": "openid email profile",
        "SUPERSET_OIDC_GROUPS_CLAIM": "groups",
        "SUPERSET_OIDC_ROLES": json.dumps(ROLES),
        # The test's provider speaks plain HTTP; the settings of a stack take https alone.
        "AUTHLIB_INSECURE_TRANSPORT": "1",
        "SUPERSET_CACHE_HOST": "127.0.0.1",
        "SUPERSET_CACHE_PORT": str(cache),
        "SUPERSET_CACHE_PASSWORD": CACHE_PASSWORD,
        "SUPERSET_WORKERS": "1",
    }


@pytest.fixture(scope="session")
def application(variables: dict[str, str]) -> Iterator[Any]:
    """The web server's application, after the init Job has run with the same environment."""
    assert "Superset is provisioned" in provision(variables)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        from superset.app import create_app

        yield create_app()
