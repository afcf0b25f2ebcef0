"""Errors in Stripe's shape: https://docs.stripe.com/api/errors."""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ErrorType = Literal["api_error", "card_error", "idempotency_error", "invalid_request_error"]


@dataclass
class StripeError(Exception):
    """An answer that is an error: its status, its kind, what it says, and which parameter is wrong."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: ErrorType = "invalid_request_error"
    retry_after: str | None = None

    def response(self) -> Response:
        """Returns the answer."""
        named = {"code": self.code, "message": self.message, "param": self.param, "type": self.type}
        body = {"error": {name: value for name, value in named.items() if value is not None}}
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return JSONResponse(body, self.status, headers)


def answer(_request: Request, error: Exception) -> Response:
    """Returns the answer of an error that a route raised."""
    if not isinstance(error, StripeError):
        raise error
    return error.response()


def unknown_url(request: Request, _error: Exception) -> Response:
    """Returns the answer for a path that the API does not have."""
    url = f"{request.method}: {request.url.path.removeprefix(request.scope.get('root_path', ''))}"
    return StripeError(404, f"Unrecognized request URL ({url}).").response()


def broken(_request: Request, _error: Exception) -> Response:
    """Returns the answer for an error of the stand-in's own."""
    return StripeError(500, "An error occurred with our connection to the shop.", type="api_error").response()
