"""The signed token of OAuth 2.0's JWT bearer flow (RFC 7523), as Salesforce takes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from headwater_tap.calls import ServiceError

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
VALID_S = 150
"""Salesforce takes tokens that expire within three minutes; half a minute is left to clocks that differ."""


@dataclass(frozen=True)
class Assertion(requests.auth.AuthBase):
    """Puts a new token into each login request: a repeated attempt may come after the first one's token has expired.

    audience: the login server, https://login.salesforce.com, https://test.salesforce.com or the organisation's own.
    """

    client_id: str
    username: str
    audience: str
    key: RSAPrivateKey = field(repr=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Write the form of a login that is about to be sent."""
        claims = {
            "iss": self.client_id,
            "sub": self.username,
            "aud": self.audience,
            "exp": int(time.time()) + VALID_S,
        }
        token = jwt.encode(claims, self.key, algorithm="RS256")
        request.prepare_body({"grant_type": GRANT_TYPE, "assertion": token}, None)
        return request


def private_key(pem: str) -> RSAPrivateKey:
    """Return an RSA key from its PEM, whose line ends may be written as \\n.

    Raises ServiceError, which does not show the text, for anything else.
    """
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Without its cause: a parser's message may hold parts of what it read.
        raise ServiceError(
            f"Salesforce: private_key can't be read ({type(error).__name__}): it must be the PEM of an RSA key without "
            "a passphrase, -----BEGIN PRIVATE KEY----- and all"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ServiceError("Salesforce: private_key is no RSA key; Salesforce takes tokens signed with RS256 only")
    return key
