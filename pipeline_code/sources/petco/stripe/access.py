"""Who may call: one key, as bearer token or as user of Basic authentication."""

import base64
import binascii
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from petco.api.settings import StripeAccess
from petco.stripe.errors import StripeError


class Authenticated:
    """Lets only requests with the key through, and only those that read."""

    def __init__(self, app: ASGIApp, access: StripeAccess) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or refuses it."""
        error = None if scope["type"] != "http" else self._refusal(Headers(scope=scope), scope["method"])
        if error is None:
            await self._app(scope, receive, send)
        else:
            await error.response()(scope, receive, send)

    def _refusal(self, headers: Headers, method: str) -> StripeError | None:
        given = key(headers.get("authorization", ""))
        if given is None:
            return StripeError(401, "You did not provide an API key. Use the Authorization header (Bearer YOUR_KEY).")
        if not hmac.compare_digest(given.encode(), self._access.key.encode()):
            return StripeError(401, f"Invalid API Key provided: {'*' * 8}{given[-4:]}")
        if method not in {"GET", "HEAD"}:
            return StripeError(403, "The provided key does not have the required permissions for this endpoint.")
        return None


def key(authorization: str) -> str | None:
    """Returns the key of an Authorization header, None where it has none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None
