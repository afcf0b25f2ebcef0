"""The cluster's certificates: what they are for does not change with the program that makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from localstack.cluster import pki
from localstack.cluster.layout import Layout
from localstack.home import Home

GOLDEN = Path(__file__).with_name("certificates.txt")
"""What openssl made in the project's first year, from the same list of certificates."""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(Home(tmp_path), tmp_path)
    made.create()
    pki.ensure(made)
    return made


def described(certificate: x509.Certificate) -> list[str]:
    """Return subject, issuer, days and extensions of a certificate, without keys and serial numbers."""
    days = round((certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / 86400)
    lines = [f"{certificate.subject.rfc4514_string()} by {certificate.issuer.rfc4514_string()}, {days} days"]
    for each in sorted(certificate.extensions, key=lambda each: each.oid.dotted_string):
        value: object = each.value
        if isinstance(value, (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)):
            value = "of a key"
        if isinstance(value, x509.KeyUsage):
            value = [name for name in ("digital_signature", "key_encipherment", "key_cert_sign", "crl_sign")
                     if getattr(value, name)]  # fmt: skip
        if isinstance(value, x509.ExtendedKeyUsage):
            value = sorted(usage._name for usage in value)
        if isinstance(value, x509.SubjectAlternativeName):
            value = [str(name.value) for name in value]
        lines.append(f"  {each.oid._name}{', critical' if each.critical else ''}: {value}")
    return lines


def test_new_certificates_are_for_what_those_of_openssl_were(layout: Layout) -> None:
    """An API server that refuses its own components, or certificates that end within the year."""
    lines = []
    for path in sorted(layout.pki.glob("*.crt")):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        lines += [path.name, *described(certificate)]
        key = load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.public_key() == certificate.public_key()
        assert path.with_suffix(".key").stat().st_mode & 0o077 == 0
    assert "\n".join(lines) + "\n" == GOLDEN.read_text()
    authority = x509.load_pem_x509_certificate((layout.pki / "ca.crt").read_bytes())
    x509.load_pem_x509_certificate((layout.pki / "admin.crt").read_bytes()).verify_directly_issued_by(authority)
    signing = load_pem_private_key((layout.pki / "sa.key").read_bytes(), None)
    assert isinstance(signing, rsa.RSAPrivateKey)
    assert signing.key_size == 2048
    assert signing.public_key() == load_pem_public_key((layout.pki / "sa.pub").read_bytes())


def test_what_a_home_has_stays_to_the_byte(layout: Layout) -> None:
    """A new authority at the next `make up`: no pod, no kubeconfig and no token of the running cluster is known."""
    before = {path: path.read_bytes() for path in layout.pki.iterdir()}
    pki.ensure(layout)
    assert {path: path.read_bytes() for path in layout.pki.iterdir()} == before
    # Another list makes new leaves, by the authorities that are there.
    (layout.pki / "certificates.json").write_text("[]")
    pki.ensure(layout)
    after = {path: path.read_bytes() for path in layout.pki.iterdir()}
    kept = {path.name for path in before if after[path] == before[path]}
    assert {"ca.crt", "ca.key", "etcd-ca.crt", "front-proxy-ca.key", "sa.key", "certificates.json"} <= kept
    assert not {"apiserver.crt", "admin.key", "admin.kubeconfig"} & kept
