"""Databases and roles of a managed PostgreSQL, on a server whose administrator is no superuser, as on RDS."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import boto3
import psycopg
import pytest
from botocore.stub import Stubber

from tests.pipeline.sources.conftest import Shop, shop  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "pipeline_code" / "database"))

from service_databases import __main__ as program  # noqa: E402
from service_databases.master import master  # noqa: E402

ARN = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-1"
MASTER = {"username": "headwater", "password": 'it\'s "100%" /?#'}


@pytest.fixture
def server(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:  # noqa: F811
    """The server, with a master as RDS makes one, reached the way a pod reaches RDS."""
    with shop.connect("postgres", "postgres") as connection:
        connection.execute("DROP ROLE IF EXISTS headwater")
        connection.execute("CREATE ROLE headwater LOGIN CREATEDB CREATEROLE")
        quoted = psycopg.sql.Literal(MASTER["password"])
        connection.execute(psycopg.sql.SQL("ALTER ROLE headwater PASSWORD {}").format(quoted))
    for name, value in {"PGHOST": "127.0.0.1", "PGPORT": str(shop.port), "MASTER_SECRET_ARN": ARN,
                        "AWS_REGION": "eu-central-1", "DATABASE_SECRETS": str(tmp_path)}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(program, "master", lambda _client, _secret: program.Master(**_known()))
    yield shop
    with shop.connect("postgres", "postgres") as connection:
        for name in ("dagster", "superset"):
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"DROP ROLE IF EXISTS {name}")


def _known() -> dict[str, str]:
    return {"user": MASTER["username"], "password": MASTER["password"]}


def test_services_get_a_database_that_is_theirs_alone(server: Shop, tmp_path: Path) -> None:
    """Dagster could read Superset's sessions, or could not make its own tables."""
    for name in ("dagster", "superset"):
        (tmp_path / name).write_text(f"{name}-password")
    assert program.main(["dagster", "superset"]) == 0
    with server.connect("dagster", "dagster", "dagster-password") as connection:
        connection.execute("CREATE TABLE runs (id int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        server.connect("dagster", "superset", "dagster-password")


def test_a_second_run_sets_new_passwords_and_drops_nothing(server: Shop, tmp_path: Path) -> None:
    """A rotated credential would lock its service out, or a repeated Job would lose the runs of a year."""
    file = tmp_path / "dagster"
    file.write_text("first")
    assert program.main(["dagster"]) == 0
    with server.connect("dagster", "dagster", "first") as connection:
        connection.execute("CREATE TABLE runs (id int)")
    file.write_text("second")
    assert program.main(["dagster"]) == 0
    with server.connect("dagster", "dagster", "second") as connection:
        connection.execute("SELECT FROM runs")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect("dagster", "dagster", "first")


def test_a_missing_password_is_named(server: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A role with an empty password would be made, and nobody could log in."""
    assert program.main(["dagster"]) == 1
    assert str(tmp_path / "dagster") in capsys.readouterr().err


def test_a_server_that_never_answers_is_an_error(server: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Job would hang for ever where its log says nothing."""
    (tmp_path / "dagster").write_text("password")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setattr(program, "WAIT_SECONDS", 0)
    assert program.main(["dagster"]) == 1


@pytest.mark.parametrize("missing", ["PGHOST", "MASTER_SECRET_ARN", "AWS_REGION"])
def test_a_missing_variable_is_named(
    server: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """libpq would take the pod's own socket, boto3 some other region."""
    monkeypatch.delenv(missing)
    assert program.main(["dagster"]) == 2
    assert missing in capsys.readouterr().err


def secret_client(text: str) -> tuple[SimpleNamespace, Stubber]:
    client = boto3.client(
        "secretsmanager", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    stubber = Stubber(client)
    stubber.add_response("get_secret_value", {"SecretString": text}, {"SecretId": ARN})
    stubber.activate()
    return client, stubber


def test_the_master_is_who_the_secret_says() -> None:
    """RDS rotates the password every week; it must be read when it is used."""
    client, stubber = secret_client(json.dumps(MASTER))
    found = master(client, ARN)
    assert (found.user, found.password) == (MASTER["username"], MASTER["password"])
    assert MASTER["password"] not in repr(found)
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("text", ["hunter2", '{"password": "hunter2"}', '["hunter2"]'])
def test_another_secret_is_refused_without_being_shown(text: str) -> None:
    """A parser's message would print the secret into the pod's log."""
    client, _ = secret_client(text)
    with pytest.raises(ValueError, match="no username and password") as raised:
        master(client, ARN)
    out = io.StringIO()
    print(raised.value, raised.value.__cause__, file=out)
    assert "hunter2" not in out.getvalue()
