"""The comment of a stack, against a server that answers as GitHub does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from review import github, markdown

MARKER = markdown.marker("staging")


class Server(ThreadingHTTPServer):
    comments: list[dict[str, Any]]
    refuse = False

    def add(self, body: str, kind: str = "Bot") -> None:
        self.comments.append({"id": 100 + len(self.comments), "body": body, "user": {"type": kind}})


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, body: Any, status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def do_GET(self) -> None:
        if self.server.refuse or self.headers["Authorization"] != "Bearer token":
            self._answer({"message": "Resource not accessible by integration"}, 403)
            return
        parts = urlsplit(self.path)
        assert parts.path == "/repos/acme/lake/issues/7/comments"
        query = {key: int(value[0]) for key, value in parse_qs(parts.query).items()}
        first = (query["page"] - 1) * query["per_page"]
        self._answer(self.server.comments[first : first + query["per_page"]])

    def do_POST(self) -> None:
        assert self.path == "/repos/acme/lake/issues/7/comments"
        self.server.add(self._body())
        self._answer({}, 201)

    def do_PATCH(self) -> None:
        number = int(self.path.removeprefix("/repos/acme/lake/issues/comments/"))
        self.server.comments[number - 100]["body"] = self._body()
        self._answer({})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.comments = []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def request_(server: Server) -> github.PullRequest:
    return github.PullRequest(f"http://127.0.0.1:{server.server_port}", "acme/lake", 7, "token")


def test_a_second_push_updates_the_comment(server: Server, request_: github.PullRequest) -> None:
    """Ten pushes, ten comments, of which nine are wrong."""
    assert request_.put_comment(MARKER, f"{MARKER}\nfirst") == "created"
    assert request_.put_comment(MARKER, f"{MARKER}\nsecond") == "updated"
    assert [each["body"] for each in server.comments] == [f"{MARKER}\nsecond"]


def test_other_comments_are_left_alone(server: Server, request_: github.PullRequest) -> None:
    """The preview of another stack, or the words of a person who quotes the marker, overwritten."""
    server.add(f"{markdown.marker('prod')}\nprod")
    server.add(f"{MARKER} is what the bot writes", kind="User")
    assert request_.put_comment(MARKER, f"{MARKER}\nours") == "created"
    assert len(server.comments) == 3


def test_the_comment_is_found_beyond_the_first_page(server: Server, request_: github.PullRequest) -> None:
    """A busy pull request, on which the comment is made anew at every push."""
    for number in range(230):
        server.add(f"comment {number}")
    server.add(f"{MARKER}\nold")
    assert request_.put_comment(MARKER, f"{MARKER}\nnew") == "updated"


def test_a_refusal_says_what_was_asked_for(server: Server, request_: github.PullRequest) -> None:
    """A traceback in place of "the token may not write comments"; or the token itself in the log."""
    server.refuse = True
    with pytest.raises(github.GithubError, match=r"403.*not accessible") as refused:
        request_.put_comment(MARKER, "x")
    assert "Bearer" not in str(refused.value)
