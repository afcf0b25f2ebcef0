"""A private lake for tests and benchmarks: MinIO and the Iceberg REST server from the images that `make up` has built.

Both are processes of their own on loopback, which can be killed and started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from localstack.home import Home

REGISTRY = "127.0.0.1:5000"
BUCKET = "lake"
REGION = "us-east-1"
KEY = "lake"
PROGRAMS = ("opt/", "usr/local/bin/")
SECONDS_TO_START = 60
PORTS = range(20_000, 32_000)
"""Below those that Linux gives to connections: a server that was killed finds its port free when it starts again."""


def _tag(image: str) -> str | None:
    """Return the tag of an image that was pushed last to the registry; None without one."""
    try:
        with urllib.request.urlopen(f"http://{REGISTRY}/v2/headwater/{image}/tags/list", timeout=30) as answer:
            tags = [str(tag) for tag in json.load(answer)["tags"] or ()]
    except (OSError, KeyError):
        return None
    # The list is in the order of letters, and reproducible images all say that they are of 1970.
    stored = Home.default().registry / "store/docker/registry/v2/repositories/headwater" / image / "_manifests/tags"
    return max(tags, key=lambda tag: (stored / tag / "current/link").stat().st_mtime, default=None)


def unpack(image: str, cache: Path, folders: tuple[str, ...] = PROGRAMS) -> Path | None:
    """Return a folder with files of an image below `cache`; None where the registry or skopeo is missing.

    `folders` are what of it is wanted: its own programs, or ("",) for all, with the system that they run on.
    """
    tag = _tag(image)
    if tag is None or shutil.which("skopeo") is None:
        return None
    root = cache / f"{image}-{tag}"
    with (cache / f"{image}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes share the tests
        if not root.exists():
            _unpack(image, tag, cache, folders, root)
    return root


def _unpack(image: str, tag: str, cache: Path, folders: tuple[str, ...], root: Path) -> None:
    """Make `root` of the image's files; a run that was interrupted leaves none."""
    layers = cache / f"{image}-layers"
    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-decompress"]
    source = f"docker://{REGISTRY}/headwater/{image}:{tag}"
    subprocess.run([*copy, source, f"dir:{layers}"], check=True)
    manifest = json.loads((layers / "manifest.json").read_text())
    making = cache / f"{image}-making"
    shutil.rmtree(making, ignore_errors=True)
    for layer in manifest["layers"]:
        with tarfile.open(layers / layer["digest"].partition(":")[2]) as archive:
            members = archive.getmembers()
            wanted = [each for each in members if each.name.startswith(folders) and not each.isdev()]
            archive.extractall(making, members=wanted, filter="fully_trusted")
    making.rename(root)
    shutil.rmtree(layers)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"every port from {PORTS.start} to {PORTS.stop - 1} of 127.0.0.1 is in use")


@dataclass
class Service:
    """A server process: its command, what is added to its environment, and a URL that answers once it is ready."""

    command: Sequence[str]
    environment: Mapping[str, str]
    ready: str
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it and wait until it answers. RuntimeError with the end of its log where it does not."""
        with self.log.open("ab") as output:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(self.command, env=environment, stdout=output, stderr=output)
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.ready, timeout=2):
                    return
            except OSError:  # URLError and what breaks off are OSErrors
                time.sleep(0.05)
        raise RuntimeError(f"{self.ready} did not answer:\n{self.log.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)

    def stop(self) -> None:
        """Let it end by itself."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)


@dataclass(frozen=True)
class Access:
    """Where the two servers of a lake listen, and what opens them."""

    catalog: int = field(default_factory=free_port)
    store: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    loader: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    """The catalog's token for ingestion, which opens less."""
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def environment(self, name: str = "lake") -> dict[str, str]:
        """Return the lake as the catalog `name` of pyiceberg's environment."""
        settings = {
            "TYPE": "rest",
            "URI": f"http://127.0.0.1:{self.catalog}",
            "TOKEN": self.token,
            "WAREHOUSE": f"s3://{BUCKET}/warehouse",
            "S3__ENDPOINT": f"http://127.0.0.1:{self.store}",
            "S3__REGION": REGION,
            "S3__ACCESS_KEY_ID": KEY,
            "S3__SECRET_ACCESS_KEY": self.secret,
            "S3__PATH_STYLE_ACCESS": "true",
        }
        return {f"PYICEBERG_CATALOG__{name.upper()}__{key}": value for key, value in settings.items()}


@dataclass(frozen=True)
class Lake:
    """A lake's two servers, not started yet, and how they are reached."""

    store: Service
    catalog: Service
    access: Access


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database for the catalog."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)


def prepare(folder: Path, cache: Path, database: Database, access: Access) -> Lake | None:
    """Return a lake whose data and logs are in `folder`; None where its programs can't be had on this machine.

    `cache` keeps what was unpacked of images.
    """
    cache.mkdir(parents=True, exist_ok=True)
    minio, catalog, java = unpack("minio", cache), unpack("catalog", cache), shutil.which("java")
    if minio is None or catalog is None or java is None:
        return None
    (folder / "store" / BUCKET).mkdir(parents=True)
    store = Service(
        [str(minio / "usr/local/bin/minio"), "server", str(folder / "store"), "--address", f"127.0.0.1:{access.store}"],
        {"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": access.secret, "MINIO_UPDATE": "off", "HOME": str(folder)},
        f"http://127.0.0.1:{access.store}/minio/health/ready",
        folder / "minio.log",
    )
    classes = f"{catalog}/opt/catalog/classes:{catalog}/opt/catalog/lib/*"
    server = Service(
        [java, "-Xmx224m", "-XX:+UseSerialGC", "-cp", classes, "io.headwater.catalog.CatalogServer"],
        {
            "CATALOG_TOKEN": access.token,
            "CATALOG_LOADER_TOKEN": access.loader,
            "CATALOG_BIND_HOST": "127.0.0.1",
            "CATALOG_PORT": str(access.catalog),
            "CATALOG_URI": f"jdbc:postgresql://{database.host}:{database.port}/{database.name}",
            "CATALOG_JDBC_USER": database.user,
            "CATALOG_JDBC_PASSWORD": database.password,
            "CATALOG_WAREHOUSE": f"s3://{BUCKET}/warehouse",
            "CATALOG_S3_ENDPOINT": f"http://127.0.0.1:{access.store}",
            "CATALOG_S3_PATH__STYLE__ACCESS": "true",
            "CATALOG_S3_ACCESS__KEY__ID": KEY,
            "CATALOG_S3_SECRET__ACCESS__KEY": access.secret,
            "CATALOG_CLIENT_REGION": REGION,
            "AWS_REGION": REGION,
        },
        f"http://127.0.0.1:{access.catalog}/healthz",
        folder / "catalog.log",
    )
    return Lake(store, server, access)


@contextmanager
def running(lake: Lake) -> Iterator[Lake]:
    """Start both servers, the store first; stop them at the end."""
    try:
        lake.store.start()
        lake.catalog.start()
        yield lake
    finally:
        lake.catalog.stop()
        lake.store.stop()
