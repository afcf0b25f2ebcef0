"""Rows of a query: page by page, or through a query job of Bulk API 2.0. Each row exactly once, or an error."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import requests
from headwater_tap.calls import AnswerError, ServiceError, json_of

from tap_salesforce.api import RefusedError, Salesforce
from tap_salesforce.columns import KEY

Row = Mapping[str, Any]

LONGEST_URL = 12_000
"""Characters of a query in a URL; Salesforce takes about 16,000 in all."""
LONGEST_POLL_S = 30.0
csv.field_size_limit(16 << 20)  # a long text area has up to 131,072 characters, which is the default limit


@dataclass(frozen=True)
class Query:
    """A SOQL query of one object; `deleted` finds deleted records as well."""

    entity: str
    fields: tuple[str, ...]
    condition: str
    deleted: bool

    @property
    def counting(self) -> str:
        """SOQL for the number of rows."""
        return f"SELECT COUNT() FROM {self.entity} WHERE {self.condition}"  # noqa: S608 - SOQL, names of describe

    @property
    def unordered(self) -> str:
        """SOQL for the rows."""
        return f"SELECT {','.join(self.fields)} FROM {self.entity} WHERE {self.condition}"  # noqa: S608

    @property
    def action(self) -> str:
        """Resource of the REST API, operation of a query job."""
        return "queryAll" if self.deleted else "query"


def count(api: Salesforce, query: Query) -> int:
    """Return how many rows a query has."""
    return int(api.call("GET", f"/{query.action}?q={quote(query.counting)}", json_of)["totalSize"])


def fits_url(query: Query) -> bool:
    """Whether the query is short enough for the REST API."""
    return len(quote(query.unordered)) <= LONGEST_URL


def by_pages(api: Salesforce, query: Query) -> Iterator[Row]:
    """Yield the rows over the REST API, oldest change first.

    A page that comes twice is asked for again; rows that come twice are dropped; a cursor that the service has dropped
    begins anew. Raises ServiceError when the number of rows is not what the service said.
    """
    ordered = f"{query.unordered} ORDER BY SystemModstamp, {KEY}"
    sent: set[str] = set()
    try:
        yield from _pages(api, query, ordered, sent)
    except RefusedError as error:
        if error.code != "INVALID_QUERY_LOCATOR":
            raise
        yield from _pages(api, query, ordered, sent)


def _pages(api: Salesforce, query: Query, soql: str, sent: set[str]) -> Iterator[Row]:
    """Yield the rows of a query whose ids are not in `sent`, and add them."""
    place: str | None = f"/{query.action}?q={quote(soql)}"
    found: set[str] = set()
    page_before: list[str] = []
    total = 0
    while place is not None:
        page = api.call("GET", place, partial(_page_after, page_before))
        page_before = [record[KEY] for record in page["records"]]
        found.update(page_before)
        for record in page["records"]:
            if record[KEY] not in sent:
                sent.add(record[KEY])
                yield record
        total, place = int(page["totalSize"]), None if page["done"] else page["nextRecordsUrl"]
    if len(found) != total:
        raise ServiceError(
            f"Salesforce: {query.entity}: a query of {total} rows gave {len(found)} different ones; nothing of it is "
            "kept. The next run reads them again."
        )


def _page_after(before: Sequence[str], response: requests.Response) -> dict[str, Any]:
    """Return the page of an answer. AnswerError when it is none, or the one before with the ids `before`."""
    page = json_of(response)
    if not isinstance(page, dict) or not {"records", "done", "totalSize"} <= set(page):
        raise AnswerError("JSON that is no page of a query")
    if before and [record[KEY] for record in page["records"]] == before:
        raise AnswerError("the page before once more")
    return page


def by_job(api: Salesforce, query: Query, *, poll_s: float, longest_s: float, logger: logging.Logger) -> Iterator[Row]:
    """Yield the rows through a query job, in no order. The job is deleted at the end.

    Raises ServiceError when the job fails, takes longer than `longest_s`, or gives another number of rows than it says.
    """
    body = {"operation": query.action, "query": query.unordered, "contentType": "CSV"}
    job = api.call("POST", "/jobs/query", json_of, json=body)
    place = f"/jobs/query/{job['id']}"
    logger.info("Salesforce: %s: reading through query job %s", query.entity, job["id"])
    try:
        total = _wait(api, place, poll_s=poll_s, longest_s=longest_s)
        found = 0
        for row in _results(api, place, query.fields):
            found += 1
            yield row
        if found != total:
            raise ServiceError(
                f"Salesforce: {query.entity}: query job {job['id']} says {total} rows and gave {found}; nothing of it "
                "is kept. The next run reads them again."
            )
    finally:
        _delete(api, place, logger)


def _wait(api: Salesforce, place: str, *, poll_s: float, longest_s: float) -> int:
    """Poll a job until it is complete; return its number of rows."""
    deadline = time.monotonic() + longest_s
    wait_s = poll_s
    while True:
        job = api.call("GET", place, json_of)
        match job["state"]:
            case "JobComplete":
                return int(job["numberRecordsProcessed"])
            case "Failed" | "Aborted":
                reason = job.get("errorMessage", "no reason given")
                raise ServiceError(f"Salesforce: query job {job['id']} ended as {job['state']}: {reason}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Salesforce: query job {job['id']} is still {job['state']} after {longest_s:.0f} s (setting "
                "bulk_timeout_seconds)"
            )
        time.sleep(wait_s)
        wait_s = min(wait_s * 1.5, LONGEST_POLL_S)


def _results(api: Salesforce, place: str, fields: Sequence[str]) -> Iterator[Row]:
    locator: str | None = None
    firsts: set[str] = set()
    while locator != "null":
        rows, locator = api.call(
            "GET",
            f"{place}/results" + ("" if locator is None else f"?locator={quote(locator)}"),
            partial(_part, fields, firsts),
        )
        firsts.update(row[KEY] for row in rows[:1])
        yield from rows


def _part(fields: Sequence[str], firsts: set[str], response: requests.Response) -> tuple[list[Row], str]:
    """Return the rows of one part of a job's result, and the locator of the next: "null" after the last."""
    kind = response.headers.get("Content-Type", "")
    if "csv" not in kind:
        raise AnswerError(f"{kind if kind else 'no content type'} instead of CSV")
    reader = csv.reader(io.StringIO(response.content.decode("utf-8"), newline=""))
    header = next(reader, [])
    rows: list[Row] = [dict(zip(header, values, strict=True)) for values in reader if len(values) == len(header)]
    said, locator = response.headers.get("Sforce-NumberOfRecords"), response.headers.get("Sforce-Locator")
    if said is None or locator is None or len(rows) != int(said):
        raise AnswerError(f"CSV with {len(rows)} whole rows of {said}")
    if rows and set(header) != set(fields):
        raise AnswerError(f"CSV with other columns than asked for: {header}")
    if rows and rows[0][KEY] in firsts:
        raise AnswerError("a part of the result once more")
    return rows, locator


def _delete(api: Salesforce, place: str, logger: logging.Logger) -> None:
    try:
        api.call("DELETE", place, lambda response: response.status_code)
    except Exception as error:  # Salesforce deletes it after seven days
        logger.warning("Salesforce: %s was not deleted: %s", place, error)
