"""Certificates of a source: a real PostgreSQL with TLS, whose certificate a private authority has signed."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGES, PASSWORD, Server, Shop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from entry_point import EntryPoint
from tap_postgres_arrow import discover
from tap_postgres_arrow.engine import SourceError
from tap_postgres_arrow.source import Source
from tap_postgres_arrow.trust import VARIABLE

Key = ec.EllipticCurvePrivateKey
REFUSED = "SSL error: (certificate verify failed|provider signature failure)"
"""The latter when an authority of the right name made another signature."""
ADDRESS = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def signed(name: str, key: Key, issuer: str, signer: Key, *, authority: bool) -> str:
    """Return a certificate in PEM form, valid for a day; the server's is for 127.0.0.1 alone."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([ADDRESS]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.fixture(scope="module")
def authority(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have the server speak TLS; return the authority's file. Beside it is other.pem, of an authority of one name."""
    folder = Path(tmp_path_factory.mktemp("authority"))
    signer, stranger, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    for name, own in (("ca.pem", signer), ("other.pem", stranger)):
        (folder / name).write_text(signed("private", own, "private", own, authority=True))
    with server.connect() as connection:
        ((data,),) = connection.execute("show data_directory").fetchall()
        made = {
            Path(data) / "trust.crt": signed("db", key, "private", signer, authority=False),
            Path(data) / "trust.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        }
        for path, text in made.items():
            path.touch(0o600)
            path.write_text(text)
            shutil.chown(path, Path(data).owner(), Path(data).group())
        connection.execute("alter system set ssl_cert_file = 'trust.crt'")
        connection.execute("alter system set ssl_key_file = 'trust.key'")
        connection.execute("alter system set ssl = on")
        connection.execute("select pg_reload_conf()")
    yield folder / "ca.pem"
    with server.connect() as connection:
        connection.execute("alter system reset ssl")
        connection.execute("alter system reset ssl_cert_file")
        connection.execute("alter system reset ssl_key_file")
        connection.execute("select pg_reload_conf()")


@pytest.fixture(autouse=True)
def no_other_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test trusts, and this machine, is not the next one's."""
    monkeypatch.setenv(VARIABLE, "/nowhere/ca.pem")


def connect(shop: Shop, **settings: Any) -> str:
    """Connect as the tap does; return the version of TLS."""
    source = Source({**shop.settings, "sslmode": "verify-full", **settings})
    try:
        (row,) = source.connection.query("select version::text as v from pg_stat_ssl where pid = pg_backend_pid()")
        return str(row[0])
    finally:
        source.close()


def test_a_private_authority_is_believed_when_it_is_named(shop: Shop, authority: Path) -> None:
    assert connect(shop, sslrootcert=str(authority)).startswith("TLSv1")
    shop.replicate(sslmode="verify-full", sslrootcert=str(authority))
    assert shop.count("orders") == 1000


def test_a_certificate_of_somebody_else_is_refused(shop: Shop, authority: Path) -> None:
    """As whoever stands between tap and server would show it: of an authority with the same name."""
    assert connect(shop, sslmode="require").startswith("TLSv1")  # unchecked: nothing else is wrong
    with pytest.raises(SourceError, match=REFUSED):
        connect(shop, sslrootcert=str(authority.with_name("other.pem")))
    with pytest.raises(SourceError, match=REFUSED):
        connect(shop, sslrootcert="system")


def test_the_servers_name_is_checked_by_verify_full_alone(shop: Shop, authority: Path) -> None:
    with pytest.raises(SourceError, match='does not match host name "localhost"'):
        connect(shop, host="localhost", sslrootcert=str(authority))
    assert connect(shop, host="localhost", sslmode="verify-ca", sslrootcert=str(authority)).startswith("TLSv1")


def test_what_is_no_authority_is_named_before_connecting(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"sslrootcert='/nowhere/x\.pem' can't be read"):
        connect(shop, port=1, sslrootcert="/nowhere/x.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(SourceError, match="holds no certificate"):
        connect(shop, port=1, sslrootcert=str(tmp_path / "empty.pem"))


def test_a_source_is_discovered_and_loaded_by_its_files(
    shop: Shop, authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authority's file travels with the source's: neither command sees the one on the user's machine."""
    monkeypatch.syspath_prepend(PACKAGES.parents[2])
    from cli.sources import connection as addresses
    from cli.sources import discovery, files

    given = tmp_path / "given.pem"
    shutil.copy(authority, given)
    address = f"postgres://reader@{shop.server.host}:{shop.server.port}/{shop.database}?sslmode=verify-full"
    source = addresses.parse(f"{address}&sslrootcert={given}", "crm", "shop")
    given.unlink()
    asked = json.dumps({**source.request, "password": PASSWORD})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), discover.VARIABLE: asked}
    argv = [sys.executable, "-m", "tap_postgres_arrow.discover"]
    found = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr

    project = tmp_path / "checkout" / "pipeline_code" / "ingestion"
    shutil.copytree(PACKAGES.parent / "sources", project / "sources")
    shutil.copy(PACKAGES.parent / "meltano.yml", project)
    places = files.Places("crm", tmp_path / "checkout")
    files.write(files.rendered(places, addresses.KIND, source, discovery.parse(0, found.stdout).tables))
    ingest = EntryPoint(tmp_path, shop.namespace, {"CRM_PASSWORD": PASSWORD})
    place = {"MELTANO_PROJECT_ROOT": str(project), "HEADWATER_CONTRACTS": str(project / "contracts")}
    loaded = ingest("--tap", "tap-crm", "--full-refresh", **place)
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    assert shop.count("crm_orders") == 1000
    shutil.copy(authority.with_name("other.pem"), places.beside(addresses.CERTIFICATES))
    refused = ingest("--tap", "tap-crm", **place)
    assert refused.returncode == 1
    assert re.search(REFUSED, refused.stdout + refused.stderr)
