"""Superset's connection to Trino, as the asset file says it in the environment of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from provision.assets import AssetError, read_assets, variables

ASSETS = Path(__file__).resolve().parents[3] / "pipeline_code" / "dashboards" / "assets"
PLACE = {"TRINO_HOST": "trino", "TRINO_PORT": "8443", "LAKE_CATALOG": "lake"}
LOGIN = {"TRINO_HTTP_SCHEME": "https", "TRINO_PASSWORD": "secret", "TRINO_CA": "/etc/headwater/trino/trino.pem"}


def connection(environment: dict[str, str]) -> tuple[str, dict[str, Any]]:
    database = yaml.safe_load(read_assets(ASSETS, variables(environment))["databases/lake.yaml"])
    return database["sqlalchemy_uri"], database["extra"]["engine_params"]["connect_args"]


def test_without_a_login_it_is_plain() -> None:
    """The dev stack's Trino has no certificate and refuses passwords."""
    uri, arguments = connection(PLACE)
    assert uri == "trino://superset@trino:8443/lake"
    assert arguments["http_scheme"] == "http"


def test_a_login_verifies_the_certificate() -> None:
    """Superset would send its password to whoever answers, or trust every public authority."""
    uri, arguments = connection({**PLACE, **LOGIN})
    assert uri == "trino://superset:secret@trino:8443/lake"
    assert (arguments["http_scheme"], arguments["verify"]) == ("https", LOGIN["TRINO_CA"])


@pytest.mark.parametrize("absent", ["TRINO_PASSWORD", "TRINO_CA"])
def test_half_a_login_names_what_is_missing(absent: str) -> None:
    """The init Job would end well, and every chart with an error about TLS or a missing password."""
    with pytest.raises(AssetError, match=absent):
        variables({name: value for name, value in LOGIN.items() if name != absent})


@pytest.mark.parametrize(("workers", "in_workers"), [(None, False), ("0", False), ("2", True)])
def test_queries_run_in_workers_where_there_are_any(workers: str | None, in_workers: bool) -> None:
    """SQL Lab would leave each query in a queue that nobody reads."""
    environment = {**PLACE, **({} if workers is None else {"SUPERSET_WORKERS": workers})}
    database = yaml.safe_load(read_assets(ASSETS, variables(environment))["databases/lake.yaml"])
    assert database["allow_run_async"] is in_workers
