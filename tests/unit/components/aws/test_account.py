"""The provider of an account, or of an emulator in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pulumi
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from components.aws import account
from components.connections import S3Credentials
from components.settings.aws import Aws, Tags
from tests.unit.components.conftest import aws_program, plain

KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """The endpoint of a moto."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_the_provider_reads_the_tags_of_an_emulators_bucket(emulator: str) -> None:
    """`pulumi up` of the stack localstack fails at its first bucket: no resolver knows `<account>.<endpoint>`.

    There the provider reads a bucket's tags by S3 Control, since Terraform's 6.23, with the account that STS tells.
    botocore makes the same addresses; it stands in for the provider here.
    """
    (provider,) = [plain(each.inputs) for each in aws_program("localstack")[0] if each.type == "pulumi:providers:aws"]
    (endpoints,) = json.loads(provider["endpoints"])
    assert "skipRequestingAccountId" not in provider
    assert len({provider["httpProxy"], *endpoints.values()}) == 1
    assert {"s3", "s3control", "sts"} <= endpoints.keys()
    boto3.client("s3", endpoint_url=emulator, **KEYS).create_bucket(Bucket="lake")
    number = boto3.client("sts", endpoint_url=emulator, **KEYS).get_caller_identity()["Account"]
    through = Config(proxies={"http": emulator})
    control = boto3.client("s3control", endpoint_url=emulator, config=through, **KEYS)
    tags = [{"Key": "owner", "Value": "nobody"}]
    control.tag_resource(AccountId=number, ResourceArn="arn:aws:s3:::lake", Tags=tags)
    assert control.list_tags_for_resource(AccountId=number, ResourceArn="arn:aws:s3:::lake")["Tags"] == tags


@pytest.mark.parametrize("endpoint", ["http://10.0.0.1:4566", "https://emulator.example:4566"])
def test_an_emulator_is_a_proxy_for_plain_http_only(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider would send what it encrypts through the proxy, too: no emulator answers CONNECT."""
    monkeypatch.setattr("pulumi_aws.Provider", lambda _, **given: given)
    tags = Tags(owner="me", cost_center="1")
    configured = Aws(account="111122223333", region="eu-central-1", tags=tags, endpoint=endpoint)
    key = pulumi.Output.from_input("a")
    given: Any = account.provider("lab", configured, S3Credentials(key, key))
    assert given["http_proxy"] == (endpoint if endpoint.startswith("http:") else None)


def test_an_emulator_forgets_the_tags_that_a_bucket_is_made_with(emulator: str) -> None:
    """`.ci/localstack` updates buckets twice for that, or its last preview shows a change; drop it with this."""
    s3 = boto3.client("s3", endpoint_url=emulator, **KEYS)
    s3.create_bucket(Bucket="tagged", CreateBucketConfiguration={"Tags": [{"Key": "owner", "Value": "nobody"}]})
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket="tagged")
