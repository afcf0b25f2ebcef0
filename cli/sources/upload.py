"""Copies a folder of this machine into the lake's bucket in the platform's MinIO. Files that are there already stay."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.platform.forward import port_forward
from cli.platform.kube import Kube
from localstack.console import Step
from localstack.errors import LocalError

SECRET = "minio-credentials"  # noqa: S105 - the object's name
WRITTEN = "headwater-modified"
"""Metadata of an object: when its file was last written, in nanoseconds, so that a second copy is not made."""


@dataclass(frozen=True)
class Local:
    """A file of the folder: its place, its path below the folder, its bytes, and when it was last written."""

    path: Path
    name: str
    size: int
    written_ns: int


def files_of(folder: Path) -> list[Local]:
    """Return the files of a folder without hidden ones, the oldest first: of a key the row copied last counts."""
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith((".", "_")) for part in name.split("/")):
            state = path.stat()
            found.append(Local(path, name, state.st_size, state.st_mtime_ns))
    return sorted(found, key=lambda each: (each.written_ns, each.name))


def send(kube: Kube, folder: Path, target: str, step: Step) -> None:
    """Copy the files of `folder` below `target` (s3://bucket/prefix) that are new or have changed.

    Nothing is deleted there. Raises LocalError where the platform's object store is not MinIO in the cluster.
    """
    store = kube.platform.minio
    if store is None:
        raise LocalError(
            f"a folder is copied to the platform's own MinIO, and stack {kube.platform.stack} has none: put the files "
            "into its bucket yourself, then: make source add=s3://bucket/prefix"
        )
    # The lake's consumers may not write there: files are the user's, and so is who copies them.
    user, password = kube.secret(SECRET, "root-user"), kube.secret(SECRET, "root-password")
    place = urlsplit(target)
    from botocore.exceptions import BotoCoreError, ClientError

    with port_forward(kube, store) as port:
        client = _client(store.address(port), user, password)
        try:
            copied, size, there = copy(client, folder, place.netloc, place.path.strip("/"), step)
        except (BotoCoreError, ClientError, OSError) as error:
            raise LocalError(
                f"{folder} can't be copied to {target}: {error}; run the same command again to continue"
            ) from error
    step.update(f"{copied} copied ({size / 1e6:,.1f} MB), {there} were there")


def copy(client: Any, folder: Path, bucket: str, prefix: str, step: Step) -> tuple[int, int, int]:
    """Return how many files were copied, their bytes, and how many were there already."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    sizes = {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", ())}
    copied = size = there = 0
    for file in files_of(folder):
        key = f"{prefix}/{file.name}"
        if sizes.get(key) == file.size and _written(client, bucket, key) == str(file.written_ns):
            there += 1
            continue
        step.update(file.name)
        extra = {"Metadata": {WRITTEN: str(file.written_ns)}}
        client.upload_file(os.fspath(file.path), bucket, key, ExtraArgs=extra)
        copied, size = copied + 1, size + file.size
    return copied, size, there


def _written(client: Any, bucket: str, key: str) -> str | None:
    found: dict[str, str] = client.head_object(Bucket=bucket, Key=key)["Metadata"]
    return found.get(WRITTEN)


def _client(address: str, user: str, password: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=user,
        aws_secret_access_key=password,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
    )
