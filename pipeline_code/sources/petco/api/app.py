"""The server: which services it has, and whether it is ready."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import psycopg_pool
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from petco.api.clock import Clock, Dated, now
from petco.api.faults import Faults, Faulty
from petco.api.settings import Access
from petco.api.shop import Shop
from petco.salesforce.organisation import Organisation
from petco.salesforce.service import salesforce
from petco.stripe.service import stripe


def application(
    shop: Shop,
    access: Access,
    *,
    clock: Clock = now,
    faults: Faults | None = None,
    organisation: Organisation | None = None,
) -> ASGIApp:
    """Returns the stand-ins of the services that `access` opens, each below its name: /stripe, /salesforce.

    It closes `shop` when it ends. For tests: `faults`, what is to go wrong; `organisation`, Salesforce's with other
    limits and permissions than the example's.
    """
    services: list[BaseRoute] = []
    if access.stripe is not None:
        services.append(Mount("/stripe", app=stripe(shop, access.stripe, clock)))
    if organisation is None and access.salesforce is not None:
        organisation = Organisation(access.salesforce, clock)
    if organisation is not None:
        services.append(Mount("/salesforce", app=salesforce(shop, organisation)))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        shop.close()

    app: ASGIApp = Starlette(
        routes=[Route("/alive", _alive), Route("/ready", _ready(shop)), *services],
        lifespan=lifespan,
        exception_handlers={404: _no_service},
    )
    return Dated(app if faults is None else Faulty(app, faults), clock)


def _alive(_request: Request) -> Response:
    return PlainTextResponse("alive\n")


def _ready(shop: Shop) -> Callable[[Request], object]:
    def count() -> int:
        with shop.reading() as snapshot:
            return int(snapshot.query("SELECT count(*) AS tables FROM petco_meta.seed")[0]["tables"])

    async def answer(_request: Request) -> Response:
        try:
            await run_in_threadpool(count)
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            return PlainTextResponse(f"the shop's database does not answer: {error}\n", status_code=503)
        return PlainTextResponse("ready\n")

    return answer


def _no_service(request: Request, _error: Exception) -> Response:
    return JSONResponse({"message": f"no service at {request.url.path}"}, status_code=404)
