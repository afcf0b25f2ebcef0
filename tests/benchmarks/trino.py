"""A private Trino for benchmarks, from the image that `make up` has built: what its users would see."""

from __future__ import annotations

import resource
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trino.dbapi import connect

from tests.lake import KEY, REGION, Access, Service, free_port, unpack

NAME = "trino"
HEAP = "-Xmx2g"
OPEN_FILES = 4_096
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Trino:
    """A running server, and how long its queries take."""

    def __init__(self, port: int) -> None:
        """Connect to a port of loopback."""
        self._connection = connect(host="127.0.0.1", port=port, user="bench", catalog="lake")

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a query."""
        cursor = self._connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())


def _service(root: Path, folder: Path, access: Access) -> tuple[Service, int]:
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
        "node.properties": ["node.environment=bench", "node.data-dir=/var/lib/trino"],
        "jvm.config": [HEAP, "-XX:+UseSerialGC", "--add-modules=jdk.incubator.vector"],
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
def running(folder: Path, cache: Path, access: Access) -> Iterator[Trino]:
    """Yield a Trino on a private lake. Raises FileNotFoundError where its image can't be had."""
    root = unpack(NAME, cache, ("",))
    if root is None:
        raise FileNotFoundError("no image of Trino on this machine: make up builds it")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(OPEN_FILES, min(most, 1 << 16)), most))
    place = folder / NAME
    place.mkdir()
    service, port = _service(root, place, access)
    service.start()
    try:
        yield Trino(port)
    finally:
        service.stop()
