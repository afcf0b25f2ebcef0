"""The client of the Kubernetes API against a server that is away, is busy, or ends connections."""

import contextlib
import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from headwater_dagster.jobs import api as module
from headwater_dagster.jobs.api import KubernetesJobApi

JOBS = "/apis/batch/v1/namespaces/headwater/jobs"
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "status": {"phase": "Running"}}
CUT = "cut"
"""In place of a status: the connection ends without an answer."""


class Server:
    """An API server that gives the answers of `script`, one a request: (status or CUT, lines of JSON)."""

    def __init__(self):
        self.script, self.asked = deque(), []

    def handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append(f"{self.command} {self.path.partition('?')[0]}")
                status, lines = server.script.popleft()
                if status == CUT:
                    self.close_connection = True
                    return
                body = "".join(json.dumps(line) + "\n" for line in lines).encode()
                self.send_response(abs(status))
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                # A negative status: the connection ends before the answer does.
                self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) if body else b"")
                self.wfile.write(b"" if status < 0 else b"0\r\n\r\n")
                self.close_connection = status < 0

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture
def server():
    found = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), found.handler())
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    found.address = f"http://127.0.0.1:{http.server_port}"
    yield found
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def api(server, monkeypatch):
    import kubernetes

    def configure():
        kubernetes.client.Configuration.set_default(kubernetes.client.Configuration(host=server.address))

    before = kubernetes.client.Configuration.get_default_copy()
    monkeypatch.setattr(kubernetes.config, "load_incluster_config", configure)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    yield KubernetesJobApi("headwater")
    kubernetes.client.Configuration.set_default(before)


@pytest.mark.parametrize("trouble", [CUT, 429, 500, 503, 504])
def test_a_call_that_gets_no_answer_is_made_again(api, server, trouble):
    """A load of hours that ends, because a load balancer was busy for a second."""
    server.script += [(trouble, []), (trouble, []), (200, [{"items": []}])]
    assert api.jobs("a=b") == []
    assert server.asked == [f"GET {JOBS}"] * 3


def test_a_server_that_stays_away_is_an_error(api, server, monkeypatch):
    """A run that waits for ever, and that nobody is told of."""
    import kubernetes

    monkeypatch.setattr(module, "TRIES", 2)
    server.script += [(503, [])] * 3
    with pytest.raises(kubernetes.client.ApiException) as raised:
        api.jobs("a=b")
    assert raised.value.status == 503


def test_what_the_server_refuses_is_not_asked_again(api, server):
    """Twenty tries of what is not allowed."""
    import kubernetes

    server.script += [(403, [])]
    with pytest.raises(kubernetes.client.ApiException):
        api.jobs("a=b")
    assert len(server.asked) == 1


def test_a_job_whose_creation_was_not_answered_is_made_once(api, server):
    """A run that fails of its own Job, which works on unwatched."""
    server.script += [(CUT, []), (409, [{"reason": "AlreadyExists"}])]
    api.create_job({"metadata": {"name": "ingestion-1"}})
    assert server.asked == [f"POST {JOBS}"] * 2


def test_a_watch_that_breaks_off_goes_on(api, server):
    """A load that is given up, because the connection that tells of its pod was cut."""
    added = {"type": "ADDED", "object": POD}
    server.script += [(-200, [added]), (410, [{"kind": "Status", "code": 410}]), (200, [added]), (200, [])]
    found = api.pods("ingestion-1")
    with contextlib.closing(found):
        phases = [next(found)["status"]["phase"] for _ in range(3)]
    assert phases == ["Running"] * 3


def test_jobs_come_oldest_first(api, server):
    """An attempt that takes up the older of two Jobs."""
    items = [{"metadata": {"name": name, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}} for name, day in
             (("b", 2), ("c", 3), ("a", 1))]  # fmt: skip
    server.script += [(200, [{"items": items}])]
    assert [job["metadata"]["name"] for job in api.jobs("")] == ["a", "b", "c"]
