"""How Trino's users and nodes prove who they are: hashes of passwords, the certificate, the nodes' token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
from typing import Any

import pytest
from cryptography import x509

from components.trino import login


def test_hashes_are_those_of_the_passwords_and_never_change() -> None:
    """A random salt would show a changed Secret, and restart Trino, at each preview."""
    passwords, salts = {"dbt": "one", "admin": "two"}, {"dbt": "salt-a", "admin": "salt-b"}
    text = login.password_file(passwords, salts)
    assert text == login.password_file(passwords, salts)
    assert "one" not in text
    for line in text.splitlines():
        user, rounds, salt, hashed = line.split(":")
        known = hashlib.pbkdf2_hmac("sha1", passwords[user].encode(), bytes.fromhex(salt), int(rounds), 32)
        assert known.hex() == hashed
        assert int(rounds) >= 1000, "Trino refuses fewer"


def test_the_certificate_follows_from_its_seed_alone() -> None:
    """ECDSA signatures are random by default: the certificate, and so every client, would roll at each preview."""
    made = login.certificate("s" * 32, "trino", "headwater")
    assert made == login.certificate("s" * 32, "trino", "headwater")
    assert made.public != login.certificate("t" * 32, "trino", "headwater").public
    assert "PRIVATE" not in made.public


def test_clients_accept_the_certificate_for_trinos_names_only(tmp_path: Any) -> None:
    """A certificate that TLS refuses would show only in the cluster, where people turn verification off."""
    made = login.certificate("s" * 32, "trino", "headwater")
    keystore = tmp_path / "keystore.pem"
    keystore.write_text(made.keystore)
    context = ssl.create_default_context(cadata=made.public)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(keystore)

    def connect(name: str) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(to_client, to_server, server_hostname=name)
        server = serving.wrap_bio(to_server, to_client, server_side=True)
        for side in (client, server, client, server, client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue

    for name in ("trino", "trino.headwater", "trino.headwater.svc.cluster.local", "localhost", "127.0.0.1"):
        connect(name)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect("trino.other")
    assert x509.load_pem_x509_certificate(made.public.encode()).serial_number > 0


def test_a_nodes_token_is_signed_with_the_hash_of_the_shared_secret() -> None:
    """Trino's nodes know one another by this; with another key a worker would be killed instead of drained."""
    header, payload, signature = login.node_token("shared").split(".")
    key = hashlib.sha256(b"shared").digest()
    signed = hmac.digest(key, f"{header}.{payload}".encode(), "sha256")
    assert base64.urlsafe_b64encode(signed).rstrip(b"=").decode() == signature
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["exp"] > 2_000_000_000
