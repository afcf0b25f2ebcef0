"""Query jobs of Bulk API 2.0: create, poll, read the results, delete."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from petco.api.shop import Shop
from petco.salesforce import soql
from petco.salesforce.errors import ApiError
from petco.salesforce.organisation import USER_ID, Job, Organisation
from petco.salesforce.query import compound, run

RESULT_ROWS = 50_000
"""Rows of one result when the client does not ask for fewer."""


def create(request: Request, shop: Shop, organisation: Organisation) -> Response:
    """Makes a job of {"operation": "query" or "queryAll", "query": SOQL}. The snapshot is taken here."""
    asked = _body(request)
    operation = asked.get("operation")
    if operation not in {"query", "queryAll"}:
        raise ApiError(400, "INVALIDJOB", f"Unsupported operation: {operation}")
    for name, only in {"columnDelimiter": "COMMA", "lineEnding": "LF", "contentType": "CSV"}.items():
        if asked.get(name, only) != only:
            raise ApiError(400, "INVALIDJOB", f"{name} {asked[name]}: this stand-in writes {only} only")
    query = soql.parse(str(asked.get("query", "")))
    if query.counts:
        raise ApiError(400, "API_ERROR", "Aggregate Relationships not supported in Bulk Query")
    with shop.reading() as snapshot:
        _, rows = run(snapshot, query, organisation.hidden, deleted=operation == "queryAll")
    if compound(rows.fields) is not None:
        raise ApiError(400, "API_ERROR", "Selecting compound data not supported in Bulk Query")
    return JSONResponse(_described(organisation.start(operation, request.path_params["version"], rows)))


def show(request: Request, _shop: Shop, organisation: Organisation) -> Response:
    """Tells a job's state: InProgress at the first look, JobComplete from the second on."""
    job = organisation.job(request.path_params["job"])
    complete = organisation.look(job)
    return JSONResponse(
        {
            **_described(job),
            "state": "JobComplete" if complete else "InProgress",
            "jobType": "V2Query",
            "numberRecordsProcessed": len(job.rows.values) if complete else 0,
            "retries": 0,
            "totalProcessingTime": 1,
            "isPkChunkingSupported": False,
        }
    )


def change(request: Request, _shop: Shop, organisation: Organisation) -> Response:
    """Aborts a job; nothing else can be changed."""
    job = organisation.job(request.path_params["job"])
    if _body(request).get("state") != "Aborted":
        raise ApiError(400, "INVALIDJOBSTATE", "a query job can only be aborted")
    organisation.forget(job)
    return JSONResponse({**_described(job), "state": "Aborted"})


def delete(request: Request, _shop: Shop, organisation: Organisation) -> Response:
    """Deletes a job with its results."""
    organisation.forget(organisation.job(request.path_params["job"]))
    return Response(status_code=204)


def results(request: Request, _shop: Shop, organisation: Organisation) -> Response:
    """Up to `maxRecords` rows from `locator` on; the header Sforce-Locator says where the next begin, or "null"."""
    job = organisation.job(request.path_params["job"])
    if not organisation.is_complete(job):
        raise ApiError(400, "INVALIDJOBSTATE", f"job {job.id} is not complete: it has no results yet")
    start, total = _start(request.query_params.get("locator")), len(job.rows.values)
    asked = request.query_params.get("maxRecords", str(RESULT_ROWS))
    if not asked.isdigit() or int(asked) < 1:
        raise ApiError(400, "INVALIDREQUEST", f"maxRecords: {asked}")
    end = min(start + int(asked), total)
    headers = {
        "Sforce-Locator": base64.b64encode(str(end).encode()).decode().rstrip("=") if end < total else "null",
        "Sforce-NumberOfRecords": str(end - start),
    }
    return Response(job.rows.csv(start, end), media_type="text/csv", headers=headers)


def _start(locator: str | None) -> int:
    if locator is None:
        return 0
    try:
        return int(base64.b64decode(locator + "=" * (-len(locator) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise ApiError(400, "INVALIDLOCATOR", f"locator {locator} is not one of this job's") from None


def _body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.state.body)
    except json.JSONDecodeError as error:
        raise ApiError(400, "JSON_PARSER_ERROR", str(error)) from None
    if not isinstance(found, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "Unexpected parameter encountered during deserialization")
    return found


def _described(job: Job) -> dict[str, Any]:
    created = datetime.fromtimestamp(job.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return {
        "id": job.id,
        "operation": job.operation,
        "object": job.entity,
        "createdById": USER_ID,
        "createdDate": created,
        "systemModstamp": created,
        "state": "UploadComplete",
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "lineEnding": "LF",
        "columnDelimiter": "COMMA",
    }
