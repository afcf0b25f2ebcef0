"""The stand-in for EKS over HTTP: paths and names are those of AWS's own description of the API."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.aws.eks import MODEL, OPERATIONS, Answer, Eks, Refused

STATUS = {"ResourceNotFoundException": 404, "ResourceInUseException": 409}


def routes() -> Iterator[tuple[str, re.Pattern[str], str]]:
    """Yield method, path and name of each operation, by AWS's description; the path's groups are its arguments."""
    for name in OPERATIONS:
        model = MODEL.operation_model(name)
        path = model.http["requestUri"].split("?")[0]
        for argument, shape in model.input_shape.members.items():
            # In the path some have another name: {name} is clusterName.
            written = shape.serialization.get("name", argument)
            path = re.sub(rf"\{{{written}\+?\}}", f"(?P<{argument}>[^/]+)", path)
        yield model.http["method"], re.compile(f"^{path}$"), name


ROUTES = tuple(routes())


class Handler(BaseHTTPRequestHandler):
    """EKS's REST over an Eks."""

    eks: Eks

    def _answer(self) -> None:
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        given: Answer = json.loads(self.rfile.read(length)) if length else {}
        given |= {key: values[0] for key, values in parse_qs(address.query).items()}
        status, body, error = 200, b"", ""
        try:
            for method, path, operation in ROUTES:
                match = path.match(address.path)
                if method == self.command and match:
                    given |= {key: unquote(value) for key, value in match.groupdict().items()}
                    body = json.dumps(self.eks.call(operation, given)).encode()
                    break
            else:
                raise Refused("InvalidRequestException", f"{self.command} {self.path} is not known here")
        except Refused as refused:
            status, error = STATUS.get(refused.name, 400), refused.name
            body = json.dumps({"message": refused.message}).encode()
        self.send_response(status)
        if error:
            self.send_header("x-amzn-errortype", error)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: pytest shows what failed."""


@contextmanager
def serve(region: str, endpoint: str) -> Iterator[str]:
    """Serve EKS on a port of loopback beside the moto at `endpoint`; give its URL."""
    handler = type("OfThisServer", (Handler,), {"eks": Eks(region, endpoint)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
