"""The service: its routes, and what stands before them."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from petco.api.clock import Clock
from petco.api.settings import StripeAccess
from petco.api.shop import Shop
from petco.stripe import errors
from petco.stripe.access import Authenticated


def stripe(shop: Shop, access: StripeAccess, clock: Clock) -> ASGIApp:  # noqa: ARG001
    """Returns the API over a shop, for whoever has the key."""
    return Starlette(
        routes=[],
        middleware=[Middleware(Authenticated, access)],
        exception_handlers={404: errors.unknown_url, errors.StripeError: errors.answer, 500: errors.broken},
    )
