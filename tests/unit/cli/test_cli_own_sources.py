"""`make source`: what it refuses, what it writes and takes back, and that no password leaves where it belongs."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cli import main as cli
from cli.commands import source as command
from cli.platform import endpoints
from cli.sources import connection, discovery, files, kinds, passwords, rendering
from cli.sources.connection import Connection, parse
from cli.sources.files import Places
from cli.sources.found import Found
from localstack.errors import LocalError, UsageError
from localstack.home import Home

ADDRESS = "postgres://reader:s%40cret@db.internal:6543/CRM-prod?sslmode=require"
SECRET = "s@cret"


def table(name: str, *, key: str | None = None, clash: str | None = None) -> Found:
    stream = f"crm_{name}"
    place = stream.lower().replace(" ", "_").replace("-", "_")
    return Found(name, stream, place, ("id",), key, 10, clash, f"stream: {json.dumps(stream)}\nversion: 1\n")


@pytest.fixture
def source() -> Connection:
    return parse(ADDRESS, "crm", "sales")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a source of the project, and one model of the user's."""
    ingestion = tmp_path / "pipeline_code/ingestion"
    (ingestion / "sources").mkdir(parents=True)
    (ingestion / "sources/README.md").write_text("…")
    (ingestion / "contracts/shop").mkdir(parents=True)
    (ingestion / "contracts/shop/orders.yml").write_text("stream: orders\n")
    (ingestion / "meltano.yml").write_text("plugins: {extractors: [{name: tap-postgres}, {name: tap-shop}]}\n")
    (tmp_path / "pipeline_code/transformation/models/staging").mkdir(parents=True)
    return tmp_path


def tree(folder: Path) -> dict[str, bytes | None]:
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def test_an_address_is_read(source: Connection) -> None:
    assert (source.host, source.port, source.database, source.user) == ("db.internal", 6543, "CRM-prod", "reader")
    assert (source.password, source.sslmode, source.schema, source.variable) == (
        SECRET,
        "require",
        "sales",
        "CRM_PASSWORD",
    )
    assert SECRET not in repr(source) + source.place + source.command
    again = source.command.split("add='")[1].split("'")[0]
    assert parse(again, "crm", "sales") == replace(source, password=None)
    assert parse("postgresql://reader@h/CRM-prod", None, None).name == "crm_prod"
    assert parse("postgresql://reader@h/crm", None, None).password is None


@pytest.mark.parametrize(
    ("address", "name", "says"),
    [
        ("crm", None, "for example"),
        ("mysql://reader:s@cret@h/crm", None, "add=mysql://…: no such kind of source; allowed: postgres"),
        ("postgres://h/crm", None, "names no user"),
        ("postgres://reader:hush@h:port/crm", None, "for example"),
        ("postgres://reader:hu/sh@h/crm", None, "for example"),
        ("postgres://reader@h", None, "names no database"),
        ("postgres://reader@h/crm?sslmode=maybe", None, "sslmode='maybe'"),
        ("postgres://reader@h/crm?channel=1", None, "channel"),
        ("postgres://reader:hush@h/crm?sslmode=verify-ca", None, "sslrootcert=./ca.pem"),
        (
            "postgres://reader@h/crm?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
            None,
            "can't be read: No such file",
        ),
        ("postgres://reader@h/crm?sslmode=verify-full&sslrootcert=pyproject.toml", None, "no certificate"),
        ("postgres://reader@h/crm?sslmode=verify-ca&sslrootcert=system", None, "goes with sslmode=verify-full"),
        ("postgres://reader@h/crm?sslmode=require&sslrootcert=./ca.pem", None, "sslmode is 'require'"),
        ("postgres://reader@h/crm", "My CRM", "name='My CRM'"),
        ("postgres://reader@h/crm", "raw", "name='raw'"),
        ("postgres://reader@h/1crm", None, "name=crm"),
        ("postgres://$HOME@h/crm", None, "Meltano"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_password(address: str, name: str | None, says: str) -> None:
    """An error message that puts the password on the screen and into a CI log."""
    with pytest.raises(UsageError) as raised:
        kinds.parse(address, name, None, bucket="lake")
    assert says in str(raised.value)
    assert not any(secret in str(raised.value) for secret in ("hush", "s@cret", "hu/sh"))


def test_what_is_written_is_taken_back_to_the_byte(checkout: Path, source: Connection) -> None:
    before = tree(checkout)
    places = Places("crm", checkout)
    tables = [table("orders", key="updated_at"), table("Odd Name"), table("a-b", clash="a_b"), table("a.b")]
    assert files.check_name(source, checkout) is False
    assert files.write(files.rendered(places, connection.KIND, source, tables)) == []
    assert files.names(checkout) == ["crm"]
    assert SECRET not in str(tree(checkout))
    extractor = yaml.safe_load(places.meltano.read_text())["plugins"]["extractors"][0]
    assert extractor["config"]["password"] == "$CRM_PASSWORD"
    assert extractor["select"] == ["*.*", "!crm_a-b.*"]
    # A dot would separate stream and column in Meltano's rules.
    assert extractor["metadata"] == {
        "crm_orders": {"replication-method": "INCREMENTAL", "replication-key": "updated_at"},
        "crm_Odd Name": {"replication-method": "FULL_TABLE"},
        "crm_a?b": {"replication-method": "FULL_TABLE"},
    }
    (dbt,) = yaml.safe_load(places.dbt.read_text())["sources"]
    assert next((each["name"], each["identifier"]) for each in dbt["tables"]) == ("orders", "crm_orders")
    assert dbt["tables"][0]["meta"]["dagster"]["asset_key"] == ["raw", "crm_orders"]
    assert files.remove(places) == []
    assert tree(checkout) == before


def test_an_authoritys_file_is_written_and_taken_back_with_the_source(checkout: Path, tmp_path: Path) -> None:
    """A path on the user's machine, which no pod has; or a private key that lay in the same file, committed."""
    before = tree(checkout)
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, signer.public_key(), 1, now, now + timedelta(days=1))
    pem = builder.sign(signer, SHA256()).public_bytes(Encoding.PEM).decode()
    given = tmp_path.parent / f"{tmp_path.name}-ca.pem"
    given.write_text(f"subject=private\n{pem}")
    address = f"postgres://reader@h/crm?sslmode=verify-ca&sslrootcert={given}"
    source = parse(address, "crm", None)
    assert parse(source.command.split("add='")[1].split("'")[0], "crm", None) == source
    places = Places("crm", checkout)
    files.write(files.rendered(places, connection.KIND, source, [table("orders")]))
    assert places.beside(connection.CERTIFICATES).read_text() == pem
    config = yaml.safe_load(places.meltano.read_text())["plugins"]["extractors"][0]["config"]
    assert config["sslrootcert"] == "$MELTANO_PROJECT_ROOT/sources/crm.ca.pem"
    assert source.request["authorities"] == pem
    files.remove(places)
    assert tree(checkout) == before
    key = signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    given.write_text(pem + key)
    with pytest.raises(UsageError, match="holds a private key"):
        parse(address, "crm", None)
    public = parse("postgres://reader@h/crm?sslmode=verify-full&sslrootcert=system", "crm", None)
    assert places.beside(connection.CERTIFICATES) not in files.rendered(places, connection.KIND, public, [])
    assert "sslrootcert: system" in rendering.meltano_file(connection.KIND, public, [])


def test_a_second_try_keeps_what_was_edited(checkout: Path, source: Connection) -> None:
    """An interrupted `add` that begins again and throws a contract away that somebody had written meanwhile."""
    places = Places("crm", checkout)
    rendered = files.rendered(places, connection.KIND, source, [table("orders")])
    first, *_ = rendered
    files.write({first: rendered[first]})
    edited = places.contracts / "crm_orders.yml"
    edited.parent.mkdir()
    edited.write_text("stream: crm_orders\nwrite: merge\n")
    assert files.check_name(source, checkout) is True
    assert set(files.write(rendered)) == {first, edited}
    assert "merge" in edited.read_text()
    assert places.dbt.exists()


def test_half_a_source_can_be_taken_back(checkout: Path, source: Connection) -> None:
    places = Places("crm", checkout)
    before = tree(checkout)
    files.write({places.meltano: rendering.meltano_file(connection.KIND, source, [])})
    files.remove(places)
    assert tree(checkout) == before


def test_names_and_tables_of_others_are_left_alone(checkout: Path, source: Connection) -> None:
    """A source that writes into the shop's tables, or whose removal takes the shop's contracts."""
    with pytest.raises(UsageError, match="taken by a source of the project"):
        files.check_name(parse(ADDRESS, "shop", None), checkout)
    with pytest.raises(UsageError, match="no such source; there are: none"):
        files.remove(Places("shop", checkout))
    files.write(files.rendered(Places("crm", checkout), connection.KIND, source, [table("orders")]))
    with pytest.raises(UsageError, match=r"name='crm' is taken by CRM-prod on db\.internal:6543"):
        files.check_name(parse("postgres://reader@other/crm", "crm", None), checkout)
    with pytest.raises(LocalError, match=r"raw\.crm_orders would be two sources'"):
        files.check_tables(parse(ADDRESS, "cr", None), [table("orders")], checkout)


def test_a_source_that_a_model_reads_stays(checkout: Path, source: Connection) -> None:
    """Every dbt build after the removal would fail."""
    places = Places("crm", checkout)
    files.write(files.rendered(places, connection.KIND, source, [table("orders")]))
    model = places.dbt.with_name("stg_crm__orders.sql")
    model.write_text("select * from {{ source('crm', 'orders') }}")
    with pytest.raises(LocalError, match=r"stg_crm__orders\.sql"):
        files.remove(places)
    assert places.contracts.exists()
    model.write_text("select 1")
    assert files.remove(places) == [model]


def test_passwords_are_for_their_owner_alone(tmp_path: Path) -> None:
    kept = tmp_path / "passwords.json"
    passwords.keep(kept, "crm", SECRET)
    passwords.keep(kept, "erp", "other")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    passwords.forget(kept, "crm")
    assert passwords.read(kept) == {"erp": "other"}
    passwords.forget(kept, "erp")
    assert list(tmp_path.iterdir()) == []


def test_the_job_gets_the_address_from_a_secret_and_none_of_the_platforms(source: Connection) -> None:
    """A password in the Job's specification, or the lake's credentials in a pod that talks to any host."""
    container = {"name": "ingestion", "image": "i", "env": [{"name": "MELTANO_DATABASE_URI", "value": "x"}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    template = {"metadata": {"namespace": "headwater"}, "spec": {"jobTemplate": {"spec": spec}}}
    job = discovery.job_manifest(template, "source-discovery-1", connection.KIND)
    (changed,) = job["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in changed["env"]] == [discovery.VARIABLE]
    assert SECRET not in json.dumps(job)
    secret = discovery.secret_manifest("source-discovery-1", "headwater", json.dumps(source.request))
    assert json.loads(secret["stringData"]["source"])["password"] == SECRET


def test_what_the_job_says_is_wrong_is_the_error() -> None:
    log = 'warning\n{"error": "db:1 can\'t be reached from the cluster"}\n'
    with pytest.raises(LocalError, match="db:1 can't be reached"):
        discovery.parse(1, log)
    with pytest.raises(LocalError, match="older than this checkout"):
        discovery.parse(127, "exec: headwater-discover: not found")


def test_what_the_command_starts_does_not_inherit_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """make hands its variables on: pulumi, kubectl and all plugins would have the password in their environment."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    monkeypatch.setenv("HEADWATER_MAKE_VARIABLES", "add")
    for name in ("add", "MAKEFLAGS"):
        monkeypatch.setenv(name, "postgres://reader:hush@h/shop")
    assert cli.main(["source", "--name=shop"]) == 2
    assert "taken by a source of the project" in capsys.readouterr().err
    assert "hush" not in str(Home.default().environment())


def test_a_source_without_a_password_is_asked_for_one(tmp_path: Path, source: Connection) -> None:
    home = Home(tmp_path)
    home.create()
    bare = parse("postgres://reader@h/crm", "crm", None)
    with pytest.raises(UsageError, match="PGPASSWORD"):
        command.with_password(home, bare, None)
    assert command.with_password(home, bare, "typed").password == "typed"
    passwords.keep(home.source_passwords, "crm", "kept")
    assert command.with_password(home, bare, None).password == "kept"
    assert command.with_password(home, source, "typed").password == SECRET


def test_the_end_shows_a_query_of_the_table_with_most_rows() -> None:
    platform = endpoints.load("dev", {})
    lines = command.farewell("crm", [("crm_a", 0), ("crm_b", 1234), ("crm_c", None)], platform)
    assert "  lake.raw.crm_b: 1,234 rows" in lines
    assert "  lake.raw.crm_c: no row yet" in lines
    assert any("select * from lake.raw.crm_b limit 10" in line for line in lines)
