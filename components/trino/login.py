"""Everything for Trino's logins, derived from the stack's root secret: hashes, a certificate, a node's token.

The same arguments always give the same bytes, so a preview without a change shows no change.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

# Trino accepts 1,000 and more. The passwords hold 190 random bits: what slows a guesser of words slows only logins.
ITERATIONS = 1000
HASH_BYTES = 32
# Fixed, for a certificate that the root secret alone determines; a new generation of its key replaces it.
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2046, 1, 1, tzinfo=UTC)
# The order of the curve P-256's group, FIPS 186-5.
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Certificate:
    """PEM texts. public: the certificate, which clients trust. keystore: the private key and the certificate."""

    public: str
    keystore: str


def password_file(passwords: Mapping[str, str], salts: Mapping[str, str]) -> str:
    """Return Trino's password file, a line a user: `user:iterations:salt:PBKDF2-HMAC-SHA1`, hexadecimal.

    salts: user → text. SHA-1 is what Trino's file authenticator computes; within PBKDF2 it is not known to be weak.
    """
    lines = []
    for user, password in sorted(passwords.items()):
        salt = salts[user].encode()
        hashed = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, ITERATIONS, HASH_BYTES)
        lines.append(f"{user}:{ITERATIONS}:{salt.hex()}:{hashed.hex()}\n")
    return "".join(lines)


def certificate(seed: str, host: str, namespace: str) -> Certificate:
    """Return a self-signed certificate for the service `host` of the namespace, and for localhost.

    seed: secret text of at least 128 bits of entropy, from which the ECDSA P-256 key and the serial number follow.
    """
    digest = hashlib.sha512(seed.encode()).digest()
    key = ec.derive_private_key(int.from_bytes(digest) % (_P256_ORDER - 1) + 1, ec.SECP256R1())
    inside = f"{host}.{namespace}"
    names = (host, inside, f"{inside}.svc", f"{inside}.svc.cluster.local", "localhost")
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(digest).digest()[:16]) | 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(name) for name in names), x509.IPAddress(IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    public = signed.public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Certificate(public=public, keystore=private + public)


def node_token(shared_secret: str) -> str:
    """Return the token by which a pod tells its own Trino to drain, as nodes show it one another (JWT, HS256).

    It lives as long as the shared secret, which the same pod holds.
    """
    expires = int(NOT_AFTER.timestamp())
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"sub": "drain", "exp": expires})]
    signed = ".".join(parts)
    key = hashlib.sha256(shared_secret.encode()).digest()
    return f"{signed}.{_base64(hmac.digest(key, signed.encode(), 'sha256'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
