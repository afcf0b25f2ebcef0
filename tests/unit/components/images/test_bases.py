"""The pinned base images: read, renewed, and asked for in a registry that wants a token."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pulumi
import pytest

from cli.commands import lock as locking
from components.images import bases, registry
from components.settings.images import BaseImage
from localstack.errors import LocalError
from tests.unit.components.conftest import run_program, stack_config

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
TEXT = f"""# Kept.
[PYTHON_IMAGE]
image = "docker.io/library/python:3.11"
digest = "{A}"

[GO_IMAGE]
image = "docker.io/library/golang:1.26"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "bases.toml"
    found.write_text(TEXT)
    return found


def test_every_base_is_pinned() -> None:
    """A stack that can't be built until somebody with another network has run a command."""
    found = bases.read()
    assert set(found) == set(get_args(BaseImage))
    for base in found.values():
        assert base.reference.startswith("docker.io/library/")
        assert base.image.rpartition(":")[0] == base.reference.partition("@")[0]


def test_digests_are_renewed_and_comments_stay(file: Path) -> None:
    """The reason of a choice, gone with the first `make lock`."""
    text = bases.renewed(TEXT, {"PYTHON_IMAGE": B, "GO_IMAGE": A})
    file.write_text(text)
    assert {name: base.digest for name, base in bases.read(file).items()} == {"PYTHON_IMAGE": B, "GO_IMAGE": A}
    assert text.startswith("# Kept.\n")
    with pytest.raises(bases.BaseError, match=r"\[JAVA_IMAGE\]"):
        bases.renewed(TEXT, {"JAVA_IMAGE": A})


def test_a_digest_that_is_none_is_refused(file: Path) -> None:
    """A build of an hour that ends in a registry's `invalid reference format`."""
    file.write_text(TEXT.replace(A, "sha256:abc"))
    with pytest.raises(bases.BaseError, match=r"PYTHON_IMAGE.digest is 'sha256:abc'"):
        bases.read(file)


def test_a_base_without_digest_says_what_to_run_at_preview(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A preview that is green, and a deployment that fails in its fifteenth minute."""
    file = tmp_path / "bases.toml"
    file.write_text("".join(each for each in bases.FILE.read_text().splitlines(True) if "digest =" not in each))
    read = bases.read
    monkeypatch.setattr(bases, "read", lambda: read(file))
    with pytest.raises(pulumi.RunError, match=r"has no digest. `make lock`, on a machine that reaches docker.io"):
        run_program(stack_config("staging"), "staging")


class Served(BaseHTTPRequestHandler):
    """A registry that wants the anonymous token of its own /token."""

    manifest: bytes
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        host = f"http://{self.headers['Host']}"
        if self.path.startswith("/token"):
            self._answer(200, json.dumps({"token": "t"}).encode())
        elif self.headers["Authorization"] != "Bearer t":
            challenge = f'Bearer realm="{host}/token",service="here",scope="repository:x:pull"'
            self._answer(401, b"", {"WWW-Authenticate": challenge})
        elif "gone" in self.path:
            self._answer(404, b"")
        elif "/blobs/" in self.path:
            self._answer(200, json.dumps({"config": {"Labels": {"key": self.path.rpartition("/")[2]}}}).encode())
        else:
            digest = f"sha256:{hashlib.sha256(self.manifest).hexdigest()}"
            self._answer(200, self.manifest, {"Docker-Content-Digest": digest})

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a registry with one image for two architectures."""
    platforms = [{"os": "linux", "architecture": each} for each in ("amd64", "arm64")]
    Served.manifest = json.dumps({"manifests": [{"platform": each} for each in platforms]}).encode()
    Served.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_public_registry_is_asked_with_a_token(served: str) -> None:
    """Docker Hub answers nobody without one: `make lock` could renew nothing."""
    digest = f"sha256:{hashlib.sha256(Served.manifest).hexdigest()}"
    index = registry.index_of(f"{served}/library/python:3.11", insecure=True)
    assert index == registry.Index(digest, frozenset({"linux/amd64", "linux/arm64"}))
    assert Served.asked[1] == "/token?scope=repository%3Ax%3Apull&service=here"
    assert registry.digest_of(served, "library/python", "3.11", insecure=True) == digest
    assert registry.digest_of(served, "library/python", "gone", insecure=True) is None


def test_labels_are_those_of_the_tagged_image(served: str) -> None:
    """`make up` that makes every base image anew, or keeps one that is out of date."""
    Served.manifest = json.dumps({"config": {"digest": "sha256:abc"}}).encode()
    assert registry.labels_of(served, "base/python", "3.11", insecure=True) == {"key": "sha256:abc"}
    assert registry.labels_of(served, "base/python", "gone", insecure=True) is None


def test_a_base_that_lacks_an_architecture_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the first build for arm64, after the pins were merged."""
    monkeypatch.setattr(registry, "index_of", lambda _image: registry.Index(A, frozenset({"linux/amd64"})))
    base = bases.Base("PYTHON_IMAGE", "docker.io/library/python:3.11", None)
    with pytest.raises(LocalError, match=r"python:3.11 lacks linux/arm64"):
        locking.found_digest(base)


def test_without_a_registry_the_pins_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback, or digests that are gone, where one command renews eight files and one of them needs a network."""

    def refuse(_image: str) -> None:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(registry, "index_of", refuse)
    with pytest.raises(LocalError, match=r"stays as it is. Run `make lock` on a machine that reaches the registry"):
        locking.found_digest(bases.read()["PYTHON_IMAGE"])
