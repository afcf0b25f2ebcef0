"""Who may call: one key, as bearer token or as user of Basic authentication."""

import base64
import binascii
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from petco.api.clock import Clock
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


class Limited:
    """Answers at most so many requests a second, as Stripe does; those above are told to wait a second."""

    def __init__(self, app: ASGIApp, clock: Clock, requests_a_second: int = 100) -> None:
        self._app = app
        self._clock = clock
        self._most = requests_a_second
        self._second = 0
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or asks to try again."""
        if scope["type"] == "http" and self._is_too_many():
            error = StripeError(429, "Too many requests hit the API too quickly.", "rate_limit", retry_after="1")
            await error.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_too_many(self) -> bool:
        second = int(self._clock())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        return self._count > self._most
