"""Trino's rendered configuration."""

from __future__ import annotations

import pulumi
import pytest

from components import trino
from components.connections import BearerToken, Catalog, ObjectStore, S3Credentials


@pytest.fixture
def key() -> pulumi.Output[str]:
    return pulumi.Output.secret("never-in-a-file")


@pytest.fixture
def catalog(key: pulumi.Output[str]) -> Catalog:
    return Catalog("http://catalog:8181", "s3://lake/warehouse", BearerToken(key))


@pytest.fixture
def minio(key: pulumi.Output[str]) -> ObjectStore:
    return ObjectStore("lake", "us-east-1", "http://minio:9000", path_style=True, credentials=S3Credentials(key, key))


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize("limit", ["1792Mi", "2816Mi", "4Gi", "16Gi", "64Gi"])
def test_memory_adds_up(limit: str) -> None:
    """Trino refuses to start when queries and headroom exceed the heap; the kernel kills it when the heap fills all."""
    share = trino.memory(limit)
    total = int(limit[:-2]) * (1024 if limit.endswith("Gi") else 1)
    assert share.query + share.headroom < share.heap
    assert share.heap + trino.NON_HEAP_MIB <= total


def test_too_little_memory_is_refused_with_the_least() -> None:
    """A heap of 200 MB starts and then fails each query."""
    with pytest.raises(ValueError, match="at least 1792Mi"):
        trino.memory("1Gi")


def test_secrets_are_references(catalog: Catalog, minio: ObjectStore) -> None:
    """A ConfigMap is readable by whoever may list the namespace."""
    s3 = ObjectStore("acme-lake", "eu-central-1")
    files = trino.render("2816Mi", Catalog("https://c", "s3://acme-lake/warehouse"), s3)
    lake = properties(files["catalog/lake.properties"])
    assert not {"s3.aws-access-key", "s3.aws-secret-key", "s3.endpoint", "iceberg.rest-catalog.security"} & set(lake)
    assert lake["s3.region"] == "eu-central-1"


def test_the_heap_is_the_one_computed(catalog: Catalog, minio: ObjectStore) -> None:
    """jvm.config and config.properties must not disagree."""
    files = trino.render("4Gi", catalog, minio)
    share = trino.memory("4Gi")
    assert f"-Xmx{share.heap}m" in files["jvm.config"].splitlines()
    assert properties(files["config.properties"])["query.max-memory-per-node"] == f"{share.query}MB"
