"""Stripe's API: lists page by page, single objects, and its clock. Reads only, so that each call can be repeated."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from headwater_tap.calls import AnswerError, Caller, Retries, ServiceError, json_of

from tap_stripe.objects import API_VERSION

PAGE = 100
"""Objects a page, the API's highest."""
Body = dict[str, Any]
Parameters = Mapping[str, object]


class StripeApi:
    """Calls the API with one key, in the pinned version."""

    def __init__(self, url: str, key: str, retries: Retries, *, timeout_s: float, logger: logging.Logger) -> None:
        """Take the API's address (https://api.stripe.com) and a key that may read."""
        session = requests.Session()
        session.headers.update({"Authorization": f"Bearer {key}", "Stripe-Version": API_VERSION})
        self._url = f"{url.rstrip('/')}/v1"
        self._caller = Caller(session, "Stripe", retries, timeout_s=timeout_s, logger=logger)

    def now(self) -> int:
        """Return the API's own time, in seconds since 1970: this machine's clock may differ."""

        def read(response: requests.Response) -> int:
            _listed(_body(response))
            date = response.headers.get("Date")
            if date is None:
                raise AnswerError("the answer has no Date header")
            return int(parsedate_to_datetime(date).timestamp())

        return self._caller.call("GET", f"{self._url}/events", read, params={"limit": 1})

    def objects(self, path: str, parameters: Parameters) -> Iterator[Body]:
        """Yield the objects of a list, newest first.

        A page that was there already is asked for again: it would end the list early, or go round in circles.
        """
        cursor: dict[str, str] = {}
        last: frozenset[str] = frozenset()
        while True:

            def read(response: requests.Response, last: frozenset[str] = last) -> Body:
                page = _listed(_body(response))
                if not last.isdisjoint(each["id"] for each in page["data"]):
                    raise AnswerError("a page that was there already")
                return page

            asked = {"limit": PAGE, **parameters, **cursor}
            page = self._caller.call("GET", f"{self._url}/{path}", read, params=asked)
            yield from page["data"]
            if not page["has_more"]:
                return
            last = frozenset(each["id"] for each in page["data"])
            cursor = {"starting_after": page["data"][-1]["id"]}

    def retrieve(self, path: str, identifier: str, parameters: Parameters) -> Body | None:
        """Return one object as it is now, None if there is none."""

        def read(response: requests.Response) -> Body | None:
            if response.status_code == requests.codes.not_found:
                return None
            body = _body(response)
            if body.get("id") != identifier:
                raise AnswerError(f"an answer about {body.get('id')!r} instead of {identifier!r}")
            return body

        return self._caller.call("GET", f"{self._url}/{path}/{identifier}", read, params=dict(parameters))


def _body(response: requests.Response) -> Body:
    """Return the object that an answer holds. Raises ServiceError where the API refuses, with its own words."""
    body = json_of(response)
    if not isinstance(body, dict):
        raise AnswerError(f"a {type(body).__name__} instead of an object")
    if not response.ok:
        error = body.get("error") or {}
        hint = {
            401: " Check the setting `api_key`.",
            403: " Give the key read permission for it, or deselect the stream.",
        }.get(response.status_code, "")
        raise ServiceError(
            f"Stripe refused {response.request.method} {response.request.path_url.partition('?')[0]}, status "
            f"{response.status_code} ({error.get('type')}, {error.get('code')}): {error.get('message')}{hint}"
        )
    return body


def _listed(body: Body) -> Body:
    """Return a list that is one: its parts are there, and a page that has a successor is not empty."""
    data, more = body.get("data"), body.get("has_more")
    whole = body.get("object") == "list" and isinstance(data, list) and isinstance(more, bool)
    if not whole or not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in data or ()):
        raise AnswerError(f"no list of objects but {str(body)[:200]}")
    if more and not data:
        raise AnswerError("an empty page that is not the last")
    return body
