"""A client of Stripe's stand-in, over HTTP."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

KEY = "rk_test_0123456789abcdef"
Body = dict[str, Any]


@dataclass
class Api:
    """The served API."""

    address: str
    key: str = KEY
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, path: str, **parameters: Any) -> tuple[int, Body, dict[str, str]]:
        """Return status, body and headers."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        headers = {"Authorization": f"Bearer {self.key}", **self.headers}
        asked = urllib.request.Request(f"{self.address}/stripe/v1/{path}?{query}", headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), dict(error.headers)

    def get(self, path: str, **parameters: Any) -> Body:
        """Return an answer that is none of an error, tried again where the API is asked too often."""
        while True:
            status, body, headers = self.request(path, **parameters)
            if status != 429:
                assert status == 200, body
                return body
            time.sleep(float(headers["retry-after"]))

    def all(self, path: str, **parameters: Any) -> list[Body]:
        """Return all objects of a list."""
        found: list[Body] = []
        more: dict[str, Any] = {}
        while True:
            page = self.get(path, limit=100, **parameters, **more)
            found += page["data"]
            if not page["has_more"]:
                return found
            more = {"starting_after": found[-1]["id"]}
