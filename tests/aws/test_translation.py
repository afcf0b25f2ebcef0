"""The translation of a program to Terraform: references, dependencies and blocks; what fits nothing is an error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws import terraform
from tests.aws.recorded import configuration, marker, record
from tests.aws.translate import Translator, snake
from tests.unit.components.conftest import Resource

TEXT: dict[str, Any] = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "aws_vpc": {"block": {"attributes": {"cidr_block": TEXT, "id": TEXT}}},
    "aws_subnet": {"block": {"attributes": {"vpc_id": TEXT, "policy": TEXT, "zone_ids": {"type": ["list", "string"]}}}},
    "aws_db_instance": {"block": {"attributes": {
        "master_user_secret": {"type": ["list", ["object", {"secret_arn": "string"}]]}}}},
    "aws_acm_certificate": {"block": {"attributes": {
        "domain_validation_options": {"type": ["set", ["object", {"domain_name": "string", "value": "string"}]]}}}},
    "aws_s3_bucket_versioning": {"block": {"block_types": {"rule": {"nesting_mode": "set", "block": {
        "attributes": {"enabled": {"type": "bool"}}}}}}},
}  # fmt: skip
VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"


def translated(*resources: Resource) -> dict[str, Any]:
    return {name: dict(each) for name, each in Translator(resources, SCHEMA).document().resources.items()}


def resource(kind: str, name: str, after: frozenset[str] = frozenset(), **inputs: Any) -> Resource:
    return Resource(kind, name, inputs, urn=f"urn:{kind}:{name}", after=after)


def test_an_output_becomes_a_reference() -> None:
    """A literal in its place is what the mocks made up: nothing would tell that the argument is a wrong one."""
    network = resource(VPC, "main", cidrBlock="10.0.0.0/16")
    found = translated(network, resource(SUBNET, "a", vpcId=marker(f"{VPC}|main", ("id",))))
    assert found["aws_subnet"]["a"] == {"vpc_id": "${aws_vpc.main.id}"}


def test_references_within_a_text_and_what_only_looks_like_one() -> None:
    """A variable of IAM taken for Terraform's: the policy names something else, or the plan fails."""
    text = '{"vpc": "' + marker(f"{VPC}|main", ("id",)) + '", "tag": "${aws:PrincipalTag/x}"}'
    found = translated(resource(VPC, "main"), resource(SUBNET, "a", policy=text))
    assert found["aws_subnet"]["a"]["policy"] == '{"vpc": "${aws_vpc.main.id}", "tag": "$${aws:PrincipalTag/x}"}'


def test_lists_of_one_and_sets_are_looked_into() -> None:
    """Pulumi has a list's only element in the list's place, and finds a certificate's record by its name."""
    database, certificate = "aws:rds/instance:Instance", "aws:acm/certificate:Certificate"
    secret = marker(f"{database}|db", ("masterUserSecrets", 0, "secretArn"))
    record_of = marker(f"{certificate}|tls", ("domainValidationOptions", 1, "value"))
    options = [{"domainName": "a"}, {"domainName": "b"}]
    tls = Resource(certificate, "tls", {}, {"domainValidationOptions": options}, urn="urn:tls")
    found = translated(resource(database, "db"), tls, resource(SUBNET, "a", vpcId=secret, policy=record_of))
    assert found["aws_subnet"]["a"] == {
        "vpc_id": "${aws_db_instance.db.master_user_secret[0].secret_arn}",
        "policy": "${[for each in aws_acm_certificate.tls.domain_validation_options : each.value "
        'if each.domain_name == "b"][0]}',
    }


def test_dependencies_lead_through_what_is_not_aws() -> None:
    """An order that only holds by luck: the namespace between cluster and identity is no resource of AWS."""
    first = resource(VPC, "main")
    between = resource("kubernetes:core/v1:Namespace", "space", frozenset({first.urn}))
    found = translated(first, between, resource(SUBNET, "a", frozenset({between.urn})))
    assert found["aws_subnet"]["a"] == {"depends_on": ["aws_vpc.main"]}


def test_blocks_lists_and_whole_numbers() -> None:
    """Pulumi's plurals and floats, which Terraform refuses."""
    found = translated(
        resource("aws:s3/bucketVersioning:BucketVersioning", "v", rules=[{"enabled": True}]),
        resource(SUBNET, "a", zoneIds=[1.0, 2.0]),
    )
    assert found["aws_s3_bucket_versioning"]["v"] == {"rule": [{"enabled": True}]}
    assert found["aws_subnet"]["a"] == {"zone_ids": [1, 2]}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (resource(SUBNET, "a", vpcIdd="x"), "aws_subnet has no argument vpcIdd"),
        (resource("aws:ec2/subnets:Subnets", "a"), "no type for aws:ec2/subnets:Subnets"),
        (resource("aws:s3/bucketVersioning:BucketVersioning", "v", rules=[{"on": 1}]), "rule has no argument on"),
    ],
)
def test_what_the_provider_does_not_have_is_an_error(wrong: Resource, said: str) -> None:
    """An argument left out in silence: the check passes because it did not look."""
    with pytest.raises(ValueError, match=said):
        translated(wrong)


def test_the_program_uses_what_aws_answers() -> None:
    """Recorded without markers nothing of a whole stack would be a reference."""
    found = record(configuration("staging"), "staging")
    inputs = {each.name: each.inputs for each in found if each.type.startswith("aws:")}
    assert inputs["database-instance"]["kmsKeyId"] == marker("aws:kms/key:Key|database-key", ("arn",))


def test_names_in_both_spellings() -> None:
    """One name that comes out otherwise is an argument that the provider does not know."""
    given = ("cidrBlock", "multiAz", "ipv6CidrBlocks", "kmsKeyId", "s3KeyPrefix")
    assert [snake(each) for each in given] == ["cidr_block", "multi_az", "ipv6_cidr_blocks", "kms_key_id",
                                               "s3_key_prefix"]  # fmt: skip


def test_what_the_machine_lacks_is_said(tmp_path: Any) -> None:
    """A check that is skipped, and nobody knows what to install."""
    lacking = terraform.find({"PATH": str(tmp_path)})
    assert lacking == "neither OpenTofu (tofu) nor Terraform is on the PATH"
    (tmp_path / "tofu").write_text("#!/bin/sh\n")
    (tmp_path / "tofu").chmod(0o755)
    without = terraform.find({"PATH": str(tmp_path), "TF_PLUGIN_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)})
    assert "the AWS provider in none of" in str(without)
    for version in ("5.9.0", "5.100.0"):
        (tmp_path / "registry.opentofu.org/hashicorp/aws" / version / "linux_amd64").mkdir(parents=True)
    found = terraform.find({"PATH": str(tmp_path), "TF_PLUGIN_CACHE_DIR": str(tmp_path)})
    assert isinstance(found, terraform.Tool)
    assert (found.source, found.version) == ("registry.opentofu.org/hashicorp/aws", "5.100.0")
