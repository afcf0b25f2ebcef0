"""The service: its routes, and what stands before them."""

import re
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from petco.api.shop import Shop
from petco.salesforce import jobs, login, soql
from petco.salesforce.errors import ApiError
from petco.salesforce.objects import ENTITIES
from petco.salesforce.organisation import VERSIONS, Organisation
from petco.salesforce.query import Rows, entity_named, run

PAGE_ROWS = 2_000
_LEAST_PAGE_ROWS = 200
Endpoint = Callable[[Request, Shop, Organisation], Response]


def salesforce(shop: Shop, organisation: Organisation) -> ASGIApp:
    """Returns the REST API over a shop, for the clients that the organisation knows."""

    def behind_session(endpoint: Endpoint) -> Callable[[Request], Any]:
        def answer(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                organisation.admit(token if scheme.lower() in {"bearer", "oauth"} else "")
                if request.path_params["version"] not in VERSIONS:
                    raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
                response = endpoint(request, shop, organisation)
            except ApiError as error:
                response = JSONResponse(error.body(), status_code=error.status)
            response.headers["Sforce-Limit-Info"] = organisation.usage
            return response

        async def run_beside(request: Request) -> Response:
            if request.method in {"POST", "PATCH"}:
                request.state.body = await request.body()
            return await run_in_threadpool(answer, request)

        return run_beside

    async def token(request: Request) -> Response:
        return await login.token(request, organisation)

    base = "/services/data/v{version}"
    found: list[tuple[str, str, Endpoint]] = [
        ("GET", "/limits", lambda _request, _shop, known: JSONResponse(known.limits())),
        ("GET", "/sobjects", _list),
        ("GET", "/sobjects/{name}/describe", _describe),
        ("GET", "/query", _query(deleted=False)),
        ("GET", "/queryAll", _query(deleted=True)),
        ("GET", "/query/{cursor}", _more),
        ("GET", "/queryAll/{cursor}", _more),
        ("POST", "/jobs/query", jobs.create),
        ("GET", "/jobs/query/{job}", jobs.show),
        ("PATCH", "/jobs/query/{job}", jobs.change),
        ("DELETE", "/jobs/query/{job}", jobs.delete),
        ("GET", "/jobs/query/{job}/results", jobs.results),
    ]
    routes = [Route(base + path, behind_session(endpoint), methods=[method]) for method, path, endpoint in found]
    # The real service takes either spelling.
    routes += [
        Route(f"{base}{path}/", behind_session(endpoint), methods=[method])
        for method, path, endpoint in found
        if path in {"/limits", "/query", "/queryAll"}
    ]
    return Starlette(
        routes=[
            Route("/services/oauth2/token", token, methods=["POST"]),
            Route("/services/data", _versions),
            *routes,
        ],
        exception_handlers={404: _not_found, 405: _not_allowed},
    )


def _versions(_request: Request) -> Response:
    return JSONResponse([{"label": each, "url": f"/services/data/v{each}", "version": each} for each in VERSIONS])


def _list(request: Request, _shop: Shop, _organisation: Organisation) -> Response:
    version = request.path_params["version"]
    return JSONResponse(
        {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [each.summary(version) for each in ENTITIES]}
    )


def _describe(request: Request, _shop: Shop, organisation: Organisation) -> Response:
    try:
        entity = entity_named(request.path_params["name"])
    except ApiError:
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist") from None
    return JSONResponse(entity.describe(organisation.hidden, request.path_params["version"]))


def _query(*, deleted: bool) -> Endpoint:
    def answer(request: Request, shop: Shop, organisation: Organisation) -> Response:
        text = request.query_params.get("q")
        if text is None:
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        query = soql.parse(text)
        with shop.reading() as snapshot:
            total, rows = run(snapshot, query, organisation.hidden, deleted=deleted)
        if query.counts:
            return JSONResponse({"totalSize": total, "done": True, "records": []})
        page = _page_rows(request)
        name = "queryAll" if deleted else "query"
        locator = organisation.keep(rows) if len(rows.values) > page else ""
        return JSONResponse(_page(request, rows, start=0, size=page, name=name, locator=locator))

    return answer


def _more(request: Request, _shop: Shop, organisation: Organisation) -> Response:
    locator, _, start = request.path_params["cursor"].rpartition("-")
    if not start.isdigit():
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    rows = organisation.kept(locator)
    name = "queryAll" if "/queryAll/" in request.url.path else "query"
    return JSONResponse(_page(request, rows, start=int(start), size=_page_rows(request), name=name, locator=locator))


def _page(request: Request, rows: Rows, *, start: int, size: int, name: str, locator: str) -> dict[str, Any]:
    version = request.path_params["version"]
    end = start + size
    page: dict[str, Any] = {"totalSize": len(rows.values), "done": end >= len(rows.values)}
    if not page["done"]:
        page["nextRecordsUrl"] = f"/services/data/v{version}/{name}/{locator}-{end}"
    return {**page, "records": rows.records(start, end, version)}


def _page_rows(request: Request) -> int:
    """Rows a page: 2,000, or what the header Sforce-Query-Options asks for, from 200 on."""
    asked = re.search(r"batchSize=(\d+)", request.headers.get("sforce-query-options", ""))
    return PAGE_ROWS if asked is None else min(max(int(asked[1]), _LEAST_PAGE_ROWS), PAGE_ROWS)


def _not_found(_request: Request, _error: Exception) -> Response:
    return JSONResponse(ApiError(404, "NOT_FOUND", "The requested resource does not exist").body(), status_code=404)


def _not_allowed(request: Request, _error: Exception) -> Response:
    error = ApiError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed.")
    return JSONResponse(error.body(), status_code=405)
