"""Sleeping and waking, with the real client, against an API that knows scales and one ConfigMap and nothing else."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

SCALES = "/apis/apps/v1/namespaces/headwater/deployments/"
MEMORY = "/api/v1/namespaces/headwater/configmaps/asleep"
ALL = ["trino", "trino-worker", "superset"]


class Api(ThreadingHTTPServer):
    """replicas: Deployment → its number. asked: (method, path) of every request."""

    def __init__(self, replicas):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replicas, self.memory, self.asked, self.breaks_at = dict(replicas), {}, [], None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle_it(self):
        api, body = self.server, None
        api.asked.append((self.command, self.path))
        if length := int(self.headers.get("Content-Length") or 0):
            body = json.loads(self.rfile.read(length))
        if self.path == MEMORY:
            if body is not None:
                api.memory |= body["data"]
            return self.answer(200, {"kind": "ConfigMap", "apiVersion": "v1", "data": api.memory or None})
        name = self.path.removeprefix(SCALES).removesuffix("/scale")
        if self.path != f"{SCALES}{name}/scale" or self.command not in {"GET", "PATCH"}:
            return self.answer(403, {"kind": "Status", "code": 403, "message": f"{self.command} {self.path}"})
        if name not in api.replicas:
            return self.answer(404, {"kind": "Status", "code": 404})
        if self.command == "PATCH" and name == api.breaks_at:
            return self.answer(500, {"kind": "Status", "code": 500})
        if body is not None:
            api.replicas[name] = body["spec"]["replicas"]
        # As Kubernetes writes it: a number that is 0 is left out.
        spec = {"replicas": api.replicas[name]} if api.replicas[name] else {}
        return self.answer(200, {"kind": "Scale", "apiVersion": "autoscaling/v1", "spec": spec})

    do_GET = do_PATCH = do_PUT = do_DELETE = handle_it


@pytest.fixture
def api():
    server = Api({"trino": 1, "trino-worker": 3, "superset": 1})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def do(api, tmp_path, monkeypatch):
    """Return what runs the command as its pod does, and returns its exit status."""
    config = tmp_path / "kubeconfig"
    cluster = {"server": f"http://127.0.0.1:{api.server_port}"}
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )  # fmt: skip
    from kubernetes.config import kube_config

    # Read when the module is imported, which other tests have done.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    monkeypatch.setenv("HEADWATER_NAMESPACE", "headwater")
    monkeypatch.setenv("SLEEP_MEMORY", "asleep")
    from headwater_dagster.sleep import main

    def run(command, *names):
        monkeypatch.setenv("SLEEP_DEPLOYMENTS", " ".join(names))
        return main([command])

    return run


def test_everything_wakes_as_it_was(api, do):
    """A cluster that comes back with one worker where it had three, or not at all."""
    assert do("sleep", *ALL) == 0
    assert set(api.replicas.values()) == {0}
    assert do("wake", *ALL) == 0
    assert api.replicas == {"trino": 1, "trino-worker": 3, "superset": 1}


def test_sleeping_twice_forgets_nothing(api, do):
    """A Job that is tried again writes down that there were no pods, and none comes back."""
    do("sleep", *ALL)
    do("sleep", *ALL)
    do("wake", *ALL)
    assert api.replicas["trino-worker"] == 3


def test_a_sleep_broken_off_in_the_middle_is_remembered_whole(api, do):
    """The API that goes away after the first Deployment: the second try must not take its 0 for what it was."""
    api.breaks_at = "superset"
    with pytest.raises(Exception, match="500"):
        do("sleep", *ALL)
    assert api.replicas == {"trino": 0, "trino-worker": 0, "superset": 1}
    api.breaks_at = None
    do("sleep", *ALL)
    do("wake", *ALL)
    assert api.replicas == {"trino": 1, "trino-worker": 3, "superset": 1}


def test_a_morning_brings_as_many_pods_as_the_settings_say(api, do):
    """Two web servers in the settings, and one pod for ever: Kubernetes begins with one, and the night remembers it."""
    named = ["trino=1", "trino-worker", "superset=2"]
    do("sleep", *named)
    do("wake", *named)
    assert api.replicas == {"trino": 1, "trino-worker": 3, "superset": 2}
    # Made anew in the night or during the day, with the one pod that Kubernetes gives.
    api.replicas["superset"] = 1
    do("wake", *named)
    assert api.replicas["superset"] == 2


def test_what_somebody_woke_by_hand_keeps_its_number(api, do):
    """Who works late has scaled up; the morning takes it away again."""
    do("sleep", *ALL)
    api.replicas |= {"trino-worker": 5, "superset": 3}
    do("wake", "trino", "trino-worker", "superset=2")
    assert (api.replicas["trino-worker"], api.replicas["superset"]) == (5, 3)


def test_a_deployment_that_is_gone_stops_nobody(api, do, capsys):
    """One renamed Deployment, and the rest costs money all night."""
    assert do("sleep", "gone", *ALL) == 0
    assert "gone: asleep, or not there" in capsys.readouterr().out
    assert set(api.replicas.values()) == {0}
    assert do("wake", "gone", *ALL) == 0


def test_only_scales_and_the_memory_are_touched(api, do):
    """Its role allows nothing else: a Deployment read or patched as a whole is refused, at night."""
    do("sleep", *ALL)
    do("wake", *ALL)
    allowed = {
        (verb, path) for verb in ("GET", "PATCH") for path in [MEMORY, *(f"{SCALES}{name}/scale" for name in ALL)]
    }
    assert set(api.asked) <= allowed


def test_a_wrong_call_says_how(do, capsys):
    """A Job that ends well and did nothing."""
    assert do("rest", *ALL) == do("--help") == 2
    assert "usage" in capsys.readouterr().err
