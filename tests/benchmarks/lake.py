"""A private lake for benchmarks: MinIO and the Iceberg REST server from the images that `make up` has built.

Where those are not in the registry of this machine, it is a folder with a SQL catalog.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REGISTRY = "127.0.0.1:5000"
BUCKET = "bench"
SECONDS_TO_START = 60


@dataclass(frozen=True)
class Lake:
    """What it is called in tables, its settings as pyiceberg's environment, and the REST catalog's, if it is one."""

    name: str
    environment: dict[str, str]
    rest: bool


def _tag(image: str) -> str | None:
    """Return the newest tag of an image in the registry; None without one."""
    try:
        with urllib.request.urlopen(f"http://{REGISTRY}/v2/headwater/{image}/tags/list", timeout=5) as answer:
            return str(json.load(answer)["tags"][-1])
    except (urllib.error.URLError, OSError, KeyError, IndexError, TypeError):
        return None


def unpack(image: str, cache: Path) -> Path | None:
    """Return a folder with the files of an image below `cache`; None where the registry or skopeo is missing."""
    tag = _tag(image)
    if tag is None or shutil.which("skopeo") is None:
        return None
    root = cache / f"{image}-{tag}"
    if root.exists():
        return root
    layers = cache / f"{image}-layers"
    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-decompress"]
    source = f"docker://{REGISTRY}/headwater/{image}:{tag}"
    subprocess.run([*copy, source, f"dir:{layers}"], check=True)
    manifest = json.loads((layers / "manifest.json").read_text())
    making = cache / f"{image}-making"
    shutil.rmtree(making, ignore_errors=True)
    for layer in manifest["layers"]:
        with tarfile.open(layers / layer["digest"].partition(":")[2]) as archive:
            wanted = [each for each in archive.getmembers() if each.name.startswith(("opt/", "usr/local/bin/"))]
            archive.extractall(making, members=wanted, filter="fully_trusted")
    making.rename(root)
    shutil.rmtree(layers)
    return root


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def lake(folder: Path, cache: Path, jdbc: str, user: str, password: str) -> Iterator[Lake]:
    """Yield a running lake. `jdbc`, `user`, `password`: a database for the catalog. `cache` keeps unpacked images."""
    cache.mkdir(parents=True, exist_ok=True)
    minio, catalog = unpack("minio", cache), unpack("catalog", cache)
    java = shutil.which("java")
    if minio is None or catalog is None or java is None:
        yield Lake(
            "a folder with a SQL catalog",
            {
                "PYICEBERG_CATALOG__LAKE__TYPE": "sql",
                "PYICEBERG_CATALOG__LAKE__URI": f"sqlite:///{folder}/catalog.db",
                "PYICEBERG_CATALOG__LAKE__WAREHOUSE": f"file://{folder}/warehouse",
            },
            rest=False,
        )
        return
    key, secret, token = "bench", secrets.token_hex(16), secrets.token_hex(16)
    store, rest = free_port(), free_port()
    (folder / "store" / BUCKET).mkdir(parents=True)
    program = next(path for path in (minio / "usr/local/bin/minio", minio / "opt/minio") if path.is_file())
    running: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], environment: dict[str, str], url: str) -> None:
        log = folder / f"{Path(command[0]).name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        running.append(process)
        _wait(url, process, log)

    try:
        start(
            [str(program), "server", str(folder / "store"), "--address", f"127.0.0.1:{store}"],
            {"MINIO_ROOT_USER": key, "MINIO_ROOT_PASSWORD": secret, "MINIO_UPDATE": "off", "HOME": str(folder)},
            f"http://127.0.0.1:{store}/minio/health/ready",
        )
        classes = f"{catalog}/opt/catalog/classes:{catalog}/opt/catalog/lib/*"
        start(
            [java, "-Xmx224m", "-XX:+UseSerialGC", "-cp", classes, "io.headwater.catalog.CatalogServer"],
            {
                "CATALOG_TOKEN": token, "CATALOG_BIND_HOST": "127.0.0.1", "CATALOG_PORT": str(rest),
                "CATALOG_URI": jdbc, "CATALOG_JDBC_USER": user, "CATALOG_JDBC_PASSWORD": password,
                "CATALOG_WAREHOUSE": f"s3://{BUCKET}/warehouse", "CATALOG_S3_ENDPOINT": f"http://127.0.0.1:{store}",
                "CATALOG_S3_PATH__STYLE__ACCESS": "true", "CATALOG_S3_ACCESS__KEY__ID": key,
                "CATALOG_S3_SECRET__ACCESS__KEY": secret, "CATALOG_CLIENT_REGION": "us-east-1",
                "AWS_REGION": "us-east-1",
            },
            f"http://127.0.0.1:{rest}/healthz",
        )  # fmt: skip
        yield Lake(
            "Iceberg REST server and MinIO of this repository's images",
            {
                "PYICEBERG_CATALOG__LAKE__TYPE": "rest",
                "PYICEBERG_CATALOG__LAKE__URI": f"http://127.0.0.1:{rest}",
                "PYICEBERG_CATALOG__LAKE__TOKEN": token,
                "PYICEBERG_CATALOG__LAKE__WAREHOUSE": f"s3://{BUCKET}/warehouse",
                "PYICEBERG_CATALOG__LAKE__S3__ENDPOINT": f"http://127.0.0.1:{store}",
                "PYICEBERG_CATALOG__LAKE__S3__REGION": "us-east-1",
                "PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID": key,
                "PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY": secret,
                "PYICEBERG_CATALOG__LAKE__S3__PATH_STYLE_ACCESS": "true",
            },
            rest=True,
        )
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)
