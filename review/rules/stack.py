"""Rules about combinations of resources: a bucket and its protection, tags by provider, protection by settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from review.resources import Resource, known
from review.rules.aws import BUCKET_POLICY, BUCKETS
from review.rules.base import Requirements, Violation
from review.rules.policies import refuses_plain_http
from review.stateful import holds

_PROVIDER = "pulumi:providers:aws"
TAGS = ("headwater:stack", "headwater:owner", "headwater:cost-center", "headwater:component")
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration"
_PUBLIC_BLOCK = "aws:s3/bucketPublicAccessBlock:"
# Types that cost money or hold data, and can carry tags; AWS has many more.
TAGGED = {
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ecr/repository:Repository",
    "aws:eks/cluster:Cluster",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
}
# What a resource itself has against deletion, beside Pulumi's `protect`: input → the value that leaves it open.
_OPEN_TO_DELETION: Mapping[str, Mapping[str, bool]] = {
    "aws:rds/instance:Instance": {"deletionProtection": False, "skipFinalSnapshot": True},
    "aws:rds/cluster:Cluster": {"deletionProtection": False, "skipFinalSnapshot": True},
    "aws:s3/bucket:Bucket": {"forceDestroy": True},
    "aws:s3/bucketV2:BucketV2": {"forceDestroy": True},
    "aws:ecr/repository:Repository": {"forceDelete": True},
    "aws:eks/cluster:Cluster": {"deletionProtection": False},
}
# Left out, these are off: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
_OFF_BY_DEFAULT = {"deletionProtection"}
# What must have `protect`: data that nothing else in the stack can bring back.
_PROTECTED = {
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:s3tables/tableBucket:TableBucket",
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:kms/key:Key",
}


def buckets_are_guarded(resources: Sequence[Resource], wanted: Requirements) -> Iterator[Violation]:
    """Every bucket is encrypted by its own configuration, closed to the public, and refuses requests without TLS."""
    for bucket in (each for each in resources if each.type in BUCKETS):
        mine = [each for each in resources if each.refers_to("bucket", bucket, "bucket")]
        encryptions = [each for each in mine if each.type.startswith(_ENCRYPTION)]
        if not encryptions and bucket.at("serverSideEncryptionConfiguration") is None:
            way = "add a BucketServerSideEncryptionConfiguration with the stack's KMS key"
            yield Violation(bucket, "encryption", None, way)
        blocks = [each for each in mine if each.type.startswith(_PUBLIC_BLOCK)]
        if not blocks:
            yield Violation(bucket, "public access block", None, "add a BucketPublicAccessBlock with all four set")
        for block in blocks:
            for name in _BLOCKS:
                if block.at(name) is not True and (block.at(name) is None or known(block.at(name))):
                    yield Violation(block, name, block.at(name), "set it to true")
        policies = [each.at("policy") for each in mine if each.type == BUCKET_POLICY]
        unknown = any(policy is not None and not known(policy) for policy in policies)
        if wanted.tls and not unknown and not any(refuses_plain_http(policy) for policy in policies):
            way = "add a BucketPolicy that denies s3:* where aws:SecureTransport is false"
            yield Violation(bucket, "TLS-only policy", None, way)


def tagged(resources: Sequence[Resource], _: Requirements) -> Iterator[Violation]:
    """What costs money or holds data says whose it is: by its own tags, or by its provider's default tags."""
    defaults = {each.urn: _default_tags(each) for each in resources if each.type == _PROVIDER}
    for resource in (each for each in resources if each.type in TAGGED):
        own = resource.at("tags")
        if own is not None and not isinstance(own, Mapping):
            continue
        inherited = defaults.get(resource.provider.rpartition("::")[0])
        missing = [tag for tag in TAGS if tag not in {*(own or {}), *(inherited or ())}]
        if missing:
            yield Violation(resource, "tags", sorted(own or {}), f"add {', '.join(missing)}")


def protected(resources: Sequence[Resource], requirements: Requirements) -> Iterator[Violation]:
    """Where the settings ask for deletion protection, nothing that holds data can be destroyed by one command."""
    if not requirements.deletion_protection:
        return
    for resource in resources:
        for name, leaves_open in _OPEN_TO_DELETION.get(resource.type, {}).items():
            found = resource.at(name)
            if found is leaves_open or (found is None and name in _OFF_BY_DEFAULT):
                yield Violation(resource, name, found, f"set it to {json.dumps(not leaves_open)}, or lift {_SETTING}")
        if resource.type in _PROTECTED and resource.protect is False:
            way = f"create it with protect=True, or lift {_SETTING}: it holds {holds(resource.type)}"
            yield Violation(resource, "protect", False, way)


_SETTING = "headwater:aws.deletion_protection"


def _default_tags(resource: Resource) -> set[str]:
    """Return the default tags' names of an AWS provider; its inputs are JSON texts, as Pulumi hands them over."""
    found = resource.at("defaultTags")
    if isinstance(found, str) and known(found):
        found = json.loads(found)
    tags = found.get("tags") if isinstance(found, Mapping) else None
    return set(tags) if isinstance(tags, Mapping) else set()
