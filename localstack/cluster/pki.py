"""Certificate authorities, certificates and kubeconfigs of the cluster, made with openssl (elliptic curve keys)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from localstack.cluster.layout import (
    API_SERVICE_ADDRESS,
    API_URL,
    CLUSTER_DOMAIN,
    CONTEXT,
    NODE,
    NODE_ADDRESS,
    Layout,
)

DAYS = 3650
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
        _openssl(folder, "genrsa", "-out", "sa.key", "2048")
        _openssl(folder, "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
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


def _openssl(folder: Path, *words: str) -> None:
    """Run openssl in `folder`; raises CalledProcessError with its message in the log."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, text=True)


def _key(folder: Path, name: str) -> None:
    """A new P-256 key."""
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    (folder / f"{name}.key").chmod(0o600)


def _authority(folder: Path, name: str, common_name: str) -> None:
    """A self-signed authority."""
    _key(folder, name)
    usage = "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign"
    subject = ["-subj", f"/CN={common_name}", "-days", str(DAYS), "-addext", usage]
    _openssl(folder, "req", "-x509", "-new", "-key", f"{name}.key", *subject, "-out", f"{name}.crt")


def _certificate(folder: Path, wanted: Certificate) -> None:
    """A leaf certificate with a new key."""
    _key(folder, wanted.name)
    lines = ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature,keyEncipherment",
             f"extendedKeyUsage={wanted.usage}"]  # fmt: skip
    if wanted.names:
        lines.append(f"subjectAltName={','.join(wanted.names)}")
    extensions, request = folder / f"{wanted.name}.ext", folder / f"{wanted.name}.csr"
    extensions.write_text("\n".join(lines))
    _openssl(folder, "req", "-new", "-key", f"{wanted.name}.key", "-subj", wanted.subject, "-out", request.name)
    _openssl(folder, "x509", "-req", "-in", request.name, "-CA", f"{wanted.authority}.crt", "-CAkey",
             f"{wanted.authority}.key", "-CAcreateserial", "-days", str(DAYS), "-extfile", extensions.name,
             "-out", f"{wanted.name}.crt")  # fmt: skip
    extensions.unlink()
    request.unlink()
