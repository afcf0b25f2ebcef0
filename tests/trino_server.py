"""A private Trino on a private lake, from the image that `make up` has built: what its users would see."""

from __future__ import annotations

import json
import resource
import shlex
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lake import KEY, REGION, Access, Service, free_port, unpack

NAME = "trino"
OPEN_FILES = 4_096
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HEAP = "2g"
SECONDS_TO_START = 120


def _service(root: Path, folder: Path, access: Access, heap: str) -> tuple[Service, int]:
    """Return the server, on the image's own system: its Java needs a newer C library than this machine may have."""
    etc, port = folder / "etc", free_port()
    (etc / "catalog").mkdir(parents=True)
    (folder / "data").mkdir()
    files = {
        "config.properties": [
            "coordinator=true", "node-scheduler.include-coordinator=true", f"http-server.http.port={port}",
            "node.internal-address=127.0.0.1", f"discovery.uri=http://127.0.0.1:{port}",
        ],
        "log.properties": ["io.trino=WARN"],
        "node.properties": ["node.environment=tests", "node.data-dir=/var/lib/trino"],
        "jvm.config": [f"-Xmx{heap}", "-XX:+UseSerialGC", "--add-modules=jdk.incubator.vector"],
        "catalog/lake.properties": [
            "connector.name=iceberg", "iceberg.catalog.type=rest",
            f"iceberg.rest-catalog.uri=http://127.0.0.1:{access.catalog}",
            "iceberg.rest-catalog.security=OAUTH2", "iceberg.rest-catalog.oauth2.token=${ENV:CATALOG_TOKEN}",
            "fs.native-s3.enabled=true", f"s3.endpoint=http://127.0.0.1:{access.store}", f"s3.region={REGION}",
            "s3.path-style-access=true", f"s3.aws-access-key={KEY}", "s3.aws-secret-key=${ENV:S3_SECRET_KEY}",
        ],
    }  # fmt: skip
    for name, lines in files.items():
        (etc / name).write_text("\n".join(lines) + "\n")
    places = {"/proc": "proc", "/dev": "dev", etc: "etc/trino", folder / "data": "var/lib/trino"}
    mounts = [
        f"mount --rbind {shlex.quote(str(there))} {shlex.quote(str(root / here))}" for there, here in places.items()
    ]
    script = " && ".join([*mounts, f"exec chroot {shlex.quote(str(root))} trino-server"])
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    secrets = {"CATALOG_TOKEN": access.token, "S3_SECRET_KEY": access.secret, "PATH": PATH}
    return Service(command, secrets, f"http://127.0.0.1:{port}/v1/info", folder / "trino.log"), port


@contextmanager
def running(folder: Path, cache: Path, access: Access, heap: str = HEAP) -> Iterator[int]:
    """Yield the port of a Trino on a private lake. Raises FileNotFoundError where its image can't be had."""
    with started(folder, cache, access, heap) as (_, port):
        yield port


@contextmanager
def started(folder: Path, cache: Path, access: Access, heap: str = HEAP) -> Iterator[tuple[Service, int]]:
    """Yield the same server as a process, and its port. Raises FileNotFoundError where its image can't be had."""
    root = unpack(NAME, cache, ("",))
    if root is None:
        raise FileNotFoundError("no image of Trino on this machine: make up builds it")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(OPEN_FILES, min(most, 1 << 16)), most))
    place = folder / NAME
    place.mkdir()
    service, port = _service(root, place, access, heap)
    try:
        service.start()
        _wait(f"http://127.0.0.1:{port}")
        yield service, port
    finally:
        service.stop()


def _wait(server: str) -> None:
    """Wait until the server, which answers before, takes queries: it has to know itself as a node."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{server}/v1/info", timeout=10) as answer:
            starting = json.load(answer)["starting"]
        if not starting and _ask(server, "select count(*) from system.runtime.nodes where state = 'active'") == [[1]]:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{server}: Trino is still starting after {SECONDS_TO_START} seconds")


def _ask(server: str, query: str) -> list[list[Any]]:
    """Return the rows of a query; none where it failed."""
    return [row for answer in answers(server, query, {"X-Trino-User": "tests"}) for row in answer.get("data") or ()]


def answers(server: str, query: str, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what the server answers to a query, page by page. The environments of some tests have no client of it."""
    request = urllib.request.Request(f"{server}/v1/statement", query.encode(), dict(headers))
    while True:
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        yield answer
        if "nextUri" not in answer:
            return
        request = urllib.request.Request(answer["nextUri"], headers=dict(headers))
