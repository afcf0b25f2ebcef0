"""The token endpoint: OAuth 2.0 client credentials and JWT bearer tokens, refused as the real service refuses them."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

import jwt
from jwt.types import Options
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from petco.api.settings import SalesforceAccess
from petco.salesforce.errors import LoginError
from petco.salesforce.organisation import ORGANISATION_ID, USER_ID, Organisation

LOGIN_SERVER = "https://login.salesforce.com"
"""Audience of a token for an organisation that is no sandbox; the organisation's own address is another."""
LONGEST_S = 180
"""How far ahead of the clock a token may expire, by Salesforce's documentation."""
CLOCKS_S = 30
"""How far a client's clock may differ: clients round `exp` up, and ask for the full three minutes."""


async def token(request: Request, organisation: Organisation) -> Response:
    """Answers a login with a new session, or with what is wrong with it."""
    form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    # With the path below which the API is mounted, which base_url leaves out.
    instance = f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"
    try:
        match form.get("grant_type"):
            case "client_credentials":
                _check_secret(organisation.access, *_client(form, request.headers.get("authorization", "")))
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                audiences = {instance, LOGIN_SERVER}
                _check_assertion(organisation.access, form.get("assertion", ""), audiences, organisation.clock())
            case _:
                raise LoginError("unsupported_grant_type", "grant type not supported")
    except LoginError as error:
        return JSONResponse(error.body(), status_code=400)
    return JSONResponse(
        {
            "access_token": organisation.new_session(),
            "id": f"{instance}/id/{ORGANISATION_ID}/{USER_ID}",
            "instance_url": instance,
            "issued_at": str(int(organisation.clock() * 1000)),
            "scope": "api",
            "token_type": "Bearer",
        }
    )


def _client(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """The client's id and secret, from the form or from HTTP's basic authorization."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise LoginError("invalid_client", "invalid client credentials") from None
    return client, secret


def _check_secret(access: SalesforceAccess, client_id: str, client_secret: str) -> None:
    _check_client(access, client_id)
    # An app without a secret has none that could be guessed.
    known = access.client_secret
    if not known or not hmac.compare_digest(client_secret.encode(), known.encode()):
        raise LoginError("invalid_client", "invalid client credentials")


def _check_assertion(access: SalesforceAccess, assertion: str, audiences: set[str], now: float) -> None:
    """Raises LoginError unless the token is signed by the app's key, for this service, its user and this minute.

    Salesforce does not say what is wrong with a signature or a time, and calls an unknown user one that has not
    approved the app.
    """
    wrong = LoginError("invalid_grant", "invalid assertion")
    if not access.public_key:
        raise wrong
    try:
        # Times and audience are compared below: by this service's clock, and with an answer of their own.
        checks: Options = {"verify_aud": False, "verify_exp": False, "require": ["iss", "sub", "aud", "exp"]}
        claims = jwt.decode(assertion, access.public_key, algorithms=["RS256"], options=checks)
        expires = float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise wrong from None
    _check_client(access, str(claims["iss"]))
    if claims["aud"] not in audiences:
        raise LoginError("invalid_grant", "audience is invalid")
    if not now < expires <= now + LONGEST_S + CLOCKS_S:
        raise wrong
    if claims["sub"] != access.username:
        raise LoginError("invalid_grant", "user hasn't approved this consumer")


def _check_client(access: SalesforceAccess, client_id: str) -> None:
    if not hmac.compare_digest(client_id.encode(), access.client_id.encode()):
        raise LoginError("invalid_client_id", "client identifier invalid")
