"""Fixtures of the tests that need a running platform (`make up`)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trino as trino_client

from cli.platform import lake
from cli.platform.kube import Kube
from localstack.home import Home

from .browser import Browser
from .dashboard_page import Superset
from .endpoints import Dagster, Database, Endpoints, endpoints_from

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def home() -> Home:
    """The folder that holds everything local."""
    return Home.default()


@pytest.fixture(scope="session")
def environment(home: Home) -> dict[str, str]:
    """Environment of the project's tools: PATH, KUBECONFIG, Pulumi's backend."""
    return dict(home.environment())


@pytest.fixture(scope="session")
def endpoints() -> Endpoints:
    """Addresses of the running platform."""
    return endpoints_from(os.environ)


@pytest.fixture(scope="session")
def kubectl(environment: dict[str, str]) -> Callable[..., Any]:
    """`kubectl(*words, output="json")`: the parsed answer, or its text with `output=""`; a failure fails the test."""

    def call(*words: str, output: str = "json") -> Any:
        context = os.environ.get("HEADWATER_KUBE_CONTEXT")
        chosen = [] if context is None else ["--context", context]
        command = ["kubectl", *chosen, *words, *(["-o", output] if output else [])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
        return json.loads(done.stdout) if output == "json" else done.stdout

    return call


@pytest.fixture(scope="session")
def secret(kubectl: Callable[..., Any]) -> Callable[[str, str, str], str]:
    """`secret(namespace, name, key)`: one value of a Kubernetes Secret, decoded."""

    @cache
    def data(namespace: str, name: str) -> dict[str, str]:
        return dict(kubectl("get", "secret", name, "-n", namespace)["data"])

    def value(namespace: str, name: str, key: str) -> str:
        known = data(namespace, name)
        assert key in known, f"secret {namespace}/{name} has no key {key}, only {sorted(known)}"
        return base64.b64decode(known[key]).decode()

    return value


@pytest.fixture(scope="session")
def connect(endpoints: Endpoints, home: Home) -> Callable[..., Any]:
    """`connect(user="admin", **options)`: a DB-API connection to Trino's catalog `lake`, logged in."""
    kube = Kube.of(home, "dev")

    def connection(user: str = "admin", **options: Any) -> Any:
        given = lake.login(kube, user)
        place: dict[str, Any] = {"host": endpoints.trino_host, "port": endpoints.trino_port, "http_scheme": "https"}
        return trino_client.dbapi.Connection(**place, **given, catalog="lake", request_timeout=120, **options)

    return connection


@pytest.fixture(scope="session")
def developer_login(home: Home) -> dict[str, str]:
    """Variables with which dbt logs in to Trino as a developer, who happens to have the pipeline's password, too."""
    kube = Kube.of(home, "dev")
    return {
        "TRINO_HTTP_SCHEME": "https",
        "TRINO_CA": str(lake.certificate(kube)),
        "TRINO_DEVELOPER_PASSWORD": lake.password(kube, "developer"),
        "TRINO_PASSWORD": lake.password(kube, "dbt"),
    }


@pytest.fixture(scope="session")
def trino(connect: Callable[..., Any]) -> Iterator[Any]:
    """A connection of Trino's administrator."""
    connection = connect()
    yield connection
    connection.close()


def _shop(endpoints: Endpoints, user: str, password: str, autocommit: bool) -> Database:
    return Database(endpoints.shop_host, endpoints.shop_port, "shop", user, password, autocommit)


@pytest.fixture
def shop(endpoints: Endpoints, secret: Callable[[str, str, str], str]) -> Iterator[Database]:
    """The shop's database as the platform sees it: read only."""
    password = secret("petco", "shop-credentials", "headwater_reader")
    database = _shop(endpoints, "headwater_reader", password, autocommit=True)
    yield database
    database.close()


@pytest.fixture
def shop_owner(endpoints: Endpoints, secret: Callable[[str, str, str], str]) -> Iterator[Database]:
    """The shop's database as its owner, in transactions, to change orders."""
    database = _shop(endpoints, "shop", secret("petco", "shop-credentials", "shop"), autocommit=False)
    yield database
    database.close()


@pytest.fixture(scope="session")
def dagster(endpoints: Endpoints) -> Dagster:
    """Dagster's GraphQL interface."""
    return Dagster(endpoints.dagster)


@pytest.fixture(scope="session")
def run_pipeline(dagster: Dagster) -> Callable[[], dict[str, Any]]:
    """`run_pipeline()`: one run of the whole pipeline, waited for; it has succeeded when the call returns."""
    return lambda: dagster.run_job("petco_pipeline")


@pytest.fixture(scope="session")
def superset(endpoints: Endpoints, request: pytest.FixtureRequest) -> Superset:
    """Superset's address and passwords: HEADWATER_{ADMIN,EDITOR,VIEWER}_PASSWORD, else from the cluster's Secret."""

    def password(user: str) -> str:
        given = os.environ.get(f"HEADWATER_{user.upper()}_PASSWORD")
        if given is not None:
            return given
        return str(request.getfixturevalue("secret")("headwater", "superset-credentials", f"{user}-password"))

    return Superset(endpoints.superset, {user: password(user) for user in ("admin", "editor", "viewer")})


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Folder for screenshots: docs/images with HEADWATER_SCREENSHOTS=1, else a folder that the test names."""
    if os.environ.get("HEADWATER_SCREENSHOTS") == "1":
        return ROOT / "docs" / "images"
    return Path(tempfile.mkdtemp(prefix="headwater-pictures-"))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A fresh headless Chromium; what a failing test saw is left in the test's own folder, which its message names."""
    with Browser(tmp_path) as page:
        yield page
