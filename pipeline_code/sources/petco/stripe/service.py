"""The service: its routes, and what stands before them."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from petco.api.clock import Clock
from petco.api.settings import StripeAccess
from petco.api.shop import Shop
from petco.stripe import errors, lists
from petco.stripe.access import Authenticated, Limited
from petco.stripe.kinds import KINDS, Kind
from petco.stripe.objects import API_VERSION


def stripe(shop: Shop, access: StripeAccess, clock: Clock) -> ASGIApp:
    """Returns the API over a shop, for whoever has the key."""
    routes = []
    for kind in KINDS.values():
        routes += [
            Route(f"/v1/{kind.plural}", _list(shop, kind, clock)),
            Route(f"/v1/{kind.plural}/{{identifier}}", _retrieve(shop, kind, clock)),
        ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Authenticated, access), Middleware(Limited, clock)],
        exception_handlers={404: errors.unknown_url, errors.StripeError: errors.answer, 500: errors.broken},
    )


def _list(shop: Shop, kind: Kind, clock: Clock) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        _check_version(request)
        query = lists.Query.parse(request.query_params, kind.filters)
        with shop.reading() as snapshot:
            return _json(lists.page(snapshot, kind, query, int(clock())))

    return answer


def _retrieve(shop: Shop, kind: Kind, clock: Clock) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        _check_version(request)
        query = lists.Query.parse(request.query_params, frozenset())
        with shop.reading() as snapshot:
            return _json(lists.retrieve(snapshot, kind, request.path_params["identifier"], query, int(clock())))

    return answer


def _check_version(request: Request) -> None:
    wanted = request.headers.get("stripe-version", API_VERSION)
    if wanted != API_VERSION:
        raise errors.StripeError(400, f"Invalid Stripe API version: {wanted}. This stand-in has {API_VERSION} only.")


def _json(body: object) -> Response:
    return JSONResponse(body, headers={"Stripe-Version": API_VERSION})
