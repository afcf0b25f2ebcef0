"""Recorded previews (fixtures/record.py says how) and small makers of resources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.settings import eks
from review import preview, program
from review.resources import Resource
from review.stack_files import stack_files

FIXTURES = Path(__file__).parent / "fixtures"
ROOT = Path(__file__).parents[3]
STACKS = list(stack_files(ROOT))


def recorded(name: str) -> preview.Preview:
    return preview.parse((FIXTURES / f"{name}.json").read_text())


def bucket(name: str = "lake", **inputs: Any) -> list[Resource]:
    """Return a bucket with all its guards; the first is the bucket."""
    policy = {
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    }
    closed = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
    return [
        Resource("aws:s3/bucket:Bucket", name, {"bucket": f"acme-{name}", **inputs}, identity=f"acme-{name}"),
        Resource(
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            f"{name}-encryption",
            {"bucket": f"acme-{name}"},
        ),
        Resource(
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            f"{name}-block",
            {"bucket": f"acme-{name}", **closed},
        ),
        Resource(
            "aws:s3/bucketPolicy:BucketPolicy",
            f"{name}-policy",
            {"bucket": f"acme-{name}", "policy": json.dumps(policy)},
        ),
    ]


def deployment(**container: Any) -> Resource:
    """Return a Deployment of one container that keeps every rule, with parts of it replaced; None takes one away."""
    good = {
        "name": "app",
        "image": f"registry/app@sha256:{'a' * 64}",
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "readinessProbe": {"tcpSocket": {"port": 1}},
        "livenessProbe": {"tcpSocket": {"port": 1}},
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }
    merged = {key: value for key, value in {**good, **container}.items() if value is not None}
    return Resource("kubernetes:apps/v1:Deployment", "app", {"spec": {"template": {"spec": {"containers": [merged]}}}})


@cache
def registered(stack: str) -> list[Resource]:
    """Return what a stack's program registers; it runs once for all tests."""
    return program.run(stack)


@pytest.fixture(scope="session", autouse=True)
def on_the_day() -> Iterator[None]:
    """The stacks' version of Kubernetes is supported on the day on which its table was written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eks, "today", lambda: eks.CHECKED)
        yield


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)
