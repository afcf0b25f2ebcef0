"""One comment for each stack on a pull request: updated if it exists, created if not."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PER_PAGE = 100
TIMEOUT_S = 30


class GithubError(RuntimeError):
    """GitHub refused; the message says which request and why."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request. api: GITHUB_API_URL. repository: owner/name. token: may write its comments."""

    api: str
    repository: str
    number: int
    token: str

    def put_comment(self, marker: str, body: str) -> str:
        """Write the comment that begins with the marker; return `updated` or `created`.

        Only a comment of a bot is updated: a person who quotes the marker keeps the own words. Raises GithubError.
        """
        for comment in self._comments():
            author = comment.get("user") or {}
            if str(comment.get("body", "")).startswith(marker) and author.get("type") == "Bot":
                self._call("PATCH", f"issues/comments/{comment['id']}", {"body": body})
                return "updated"
        self._call("POST", f"issues/{self.number}/comments", {"body": body})
        return "created"

    def _comments(self) -> Iterator[Mapping[str, Any]]:
        page = 1
        while True:
            found = self._call("GET", f"issues/{self.number}/comments?per_page={PER_PAGE}&page={page}")
            yield from found
            if len(found) < PER_PAGE:
                return
            page += 1

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - GitHub's own address, from its runner's environment
            f"{self.api}/repos/{self.repository}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:300]
            raise GithubError(f"{method} {path}: {error.code} {error.reason}: {said}") from error
        except urllib.error.URLError as error:
            raise GithubError(f"{method} {path}: {error.reason}") from error
