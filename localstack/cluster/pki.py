"""Certificate authorities, certificates and kubeconfigs of the cluster, with elliptic curve keys. Decision 0121."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localstack.cluster.layout import API_SERVICE_ADDRESS, API_URL, CLUSTER_DOMAIN, NODE, NODE_ADDRESS, Layout
from localstack.home import CONTEXT

DAYS = 3650
ATTRIBUTES = {"O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME}
USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
AUTHORITIES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy", "etcd-ca": "etcd"}


@dataclass(frozen=True)
class Certificate:
    """One leaf certificate: file name, authority, subject, extended key usages, alternative names."""

    name: str
    authority: str
    subject: str
    usage: str
    names: tuple[str, ...] = ()


def certificates() -> tuple[Certificate, ...]:
    """All leaf certificates of the cluster."""
    api_names = ("DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
                 f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN}", "DNS:localhost", "IP:127.0.0.1",
                 f"IP:{API_SERVICE_ADDRESS}", f"IP:{NODE_ADDRESS}")  # fmt: skip
    return (
        Certificate("apiserver", "ca", "/CN=kube-apiserver", "serverAuth", api_names),
        Certificate("kubelet-server", "ca", f"/CN={NODE}", "serverAuth", (f"DNS:{NODE}", f"IP:{NODE_ADDRESS}")),
        Certificate(
            "apiserver-kubelet-client", "ca", "/O=system:masters/CN=kube-apiserver-kubelet-client", "clientAuth"
        ),
        Certificate("front-proxy-client", "front-proxy-ca", "/CN=front-proxy-client", "clientAuth"),
        Certificate("etcd", "etcd-ca", "/CN=etcd", "serverAuth,clientAuth", ("DNS:localhost", "IP:127.0.0.1")),
        Certificate("apiserver-etcd-client", "etcd-ca", "/CN=kube-apiserver", "clientAuth"),
        Certificate("admin", "ca", "/O=system:masters/CN=admin", "clientAuth"),
        Certificate("controller-manager", "ca", "/CN=system:kube-controller-manager", "clientAuth"),
        Certificate("scheduler", "ca", "/CN=system:kube-scheduler", "clientAuth"),
        Certificate("kubelet", "ca", f"/O=system:nodes/CN=system:node:{NODE}", "clientAuth"),
        Certificate("proxy", "ca", "/CN=system:kube-proxy", "clientAuth"),
    )


KUBECONFIGS = ("admin", "controller-manager", "scheduler", "kubelet", "proxy")


def render_kubeconfig(authority: bytes, certificate: bytes, key: bytes) -> str:
    """A kubeconfig (JSON, which is YAML) for the API server, with its credentials inside; arguments are PEM."""
    encoded = [base64.b64encode(part).decode() for part in (authority, certificate, key)]
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": {"server": API_URL, "certificate-authority-data": encoded[0]}}],
            "users": [
                {"name": CONTEXT, "user": {"client-certificate-data": encoded[1], "client-key-data": encoded[2]}}
            ],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "current-context": CONTEXT,
        },
        indent=2,
    )


def ensure(layout: Layout) -> None:
    """Make what is missing. Authorities and the service account key are kept for ever, leaves follow their names."""
    folder = layout.pki
    folder.chmod(0o700)
    for name, common_name in AUTHORITIES.items():
        if not (folder / f"{name}.crt").exists():
            _authority(folder, name, common_name)
    if not (folder / "sa.pub").exists():
        key = rsa.generate_private_key(65537, 2048)
        _private(folder / "sa.key", _pem(key, PrivateFormat.PKCS8))
        (folder / "sa.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    wanted = json.dumps([asdict(certificate) for certificate in certificates()] + [API_URL], indent=1)
    made = folder / "certificates.json"
    if not made.exists() or made.read_text() != wanted:
        for certificate in certificates():
            _certificate(folder, certificate)
        for name in KUBECONFIGS:
            parts = [(folder / file).read_bytes() for file in ("ca.crt", f"{name}.crt", f"{name}.key")]
            _private(folder / f"{name}.kubeconfig", render_kubeconfig(parts[0], parts[1], parts[2]))
        made.write_text(wanted)
    _private(layout.kubeconfig, (folder / "admin.kubeconfig").read_text())


def _private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, form: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def _authority(folder: Path, name: str, common_name: str) -> None:
    """Make a self-signed authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    _signed(folder, name, subject, [x509.KeyUsage(True, False, True, False, False, True, False, False, False)])


def _certificate(folder: Path, wanted: Certificate) -> None:
    """Make a leaf certificate with a new key."""
    parts = [part.partition("=") for part in wanted.subject.split("/")[1:]]
    subject = x509.Name([x509.NameAttribute(ATTRIBUTES[name], value) for name, _, value in parts])
    usage = x509.ExtendedKeyUsage([USAGES[name] for name in wanted.usage.split(",")])
    extensions: list[x509.ExtensionType] = [
        x509.KeyUsage(True, False, True, False, False, False, False, False, False),
        usage,
    ]
    names = [_name(*text.split(":", 1)) for text in wanted.names]
    extensions += [x509.SubjectAlternativeName(names)] if names else []
    _signed(folder, wanted.name, subject, extensions, wanted.authority)


def _name(kind: str, value: str) -> x509.GeneralName:
    return x509.DNSName(value) if kind == "DNS" else x509.IPAddress(ip_address(value))


def _signed(
    folder: Path, name: str, subject: x509.Name, extensions: list[x509.ExtensionType], authority: str | None = None
) -> None:
    """Write a certificate of a new key, signed by the authority, or by itself: then it is one."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, signing = subject, key
    if authority is not None:
        issuer = x509.load_pem_x509_certificate((folder / f"{authority}.crt").read_bytes()).subject
        loaded = serialization.load_pem_private_key((folder / f"{authority}.key").read_bytes(), None)
        signing = cast("ec.EllipticCurvePrivateKey", loaded)
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now).not_valid_after(now + timedelta(days=DAYS))
    extensions = [
        x509.BasicConstraints(ca=authority is None, path_length=None),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
        *extensions,
    ]
    for each in extensions:
        critical = isinstance(each, x509.KeyUsage) or (isinstance(each, x509.BasicConstraints) and each.ca)
        built = built.add_extension(each, critical=critical)
    _private(folder / f"{name}.key", _pem(key, PrivateFormat.TraditionalOpenSSL))
    (folder / f"{name}.crt").write_bytes(built.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM))
