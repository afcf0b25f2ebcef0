"""Rules about single AWS resources: encryption, public access, key rotation."""

from __future__ import annotations

from collections.abc import Iterator

from review.resources import Resource, known
from review.rules.base import Violation, must_be
from review.rules.policies import NOT_PRINCIPAL, open_statements

EVERYONE = {"0.0.0.0/0", "::/0"}
BUCKETS = {"aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"}
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
CLUSTER = "aws:eks/cluster:Cluster"
_ENCRYPTED = {
    "aws:rds/instance:Instance": "storageEncrypted",
    "aws:rds/cluster:Cluster": "storageEncrypted",
    "aws:ebs/volume:Volume": "encrypted",
    "aws:efs/fileSystem:FileSystem": "encrypted",
    "aws:elasticache/replicationGroup:ReplicationGroup": "atRestEncryptionEnabled",
}
_PRIVATE = {
    "aws:rds/instance:Instance": "publiclyAccessible",
    "aws:rds/clusterInstance:ClusterInstance": "publiclyAccessible",
    "aws:ec2/subnet:Subnet": "mapPublicIpOnLaunch",
}
# Inputs that hold networks from which a security group lets traffic in, by the resource that has them.
_RULE_SOURCES = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("cidrIpv4", "cidrIpv6"),
    "aws:ec2/securityGroupRule:SecurityGroupRule": ("cidrBlocks", "ipv6CidrBlocks"),
}


def encrypted_at_rest(resource: Resource) -> Iterator[Violation]:
    """Disks, databases, caches and a cluster's secrets are encrypted."""
    if resource.type in _ENCRYPTED:
        yield from must_be(resource, _ENCRYPTED[resource.type], True, "a copied disk must be worth nothing")
    if resource.type == CLUSTER and resource.at("encryptionConfig") is None:
        yield Violation(resource, "encryptionConfig", None, "name a KMS key for resources ['secrets']")
    if resource.type == "kubernetes:storage.k8s.io/v1:StorageClass" and "ebs" in str(resource.at("provisioner")):
        yield from must_be(resource, "parameters.encrypted", "true", "volumes of the class hold data in the clear")


def not_public(resource: Resource) -> Iterator[Violation]:
    """Nothing answers the whole internet: databases, instances, security groups, the cluster's API, bucket policies."""
    if resource.type in _PRIVATE:
        name = _PRIVATE[resource.type]
        if resource.at(name) is True and not _for_load_balancers(resource):
            yield Violation(resource, name, True, "set it to false, or leave it out")
    if resource.type in BUCKETS and str(resource.at("acl")).startswith(("public", "authenticated")):
        yield Violation(resource, "acl", resource.at("acl"), "leave it out; grant readers by a bucket policy")
    if resource.type == BUCKET_POLICY:
        for statement in open_statements(resource.at("policy")):
            found = {key: statement.get(key) for key in ("Principal", "Action")}
            yield Violation(resource, "policy", found, NOT_PRINCIPAL)
    yield from _open_group(resource)
    yield from _open_cluster(resource)


def keys_rotate(resource: Resource) -> Iterator[Violation]:
    """A KMS key that encrypts data gets new key material every year."""
    if resource.type == "aws:kms/key:Key" and resource.at("customerMasterKeySpec") in {None, "SYMMETRIC_DEFAULT"}:
        yield from must_be(resource, "enableKeyRotation", True, "old material must not open all future data")


def _for_load_balancers(resource: Resource) -> bool:
    """Return whether a subnet says that it is there for public load balancers (the tag that EKS looks for)."""
    return str((resource.at("tags") or {}).get("kubernetes.io/role/elb")) == "1"


def _open_group(resource: Resource) -> Iterator[Violation]:
    found: list[tuple[str, object]] = []
    if resource.type == "aws:ec2/securityGroup:SecurityGroup":
        for number, rule in enumerate(resource.at("ingress") or []):
            if isinstance(rule, dict):
                found += [(f"ingress[{number}].{key}", rule.get(key)) for key in ("cidrBlocks", "ipv6CidrBlocks")]
    elif resource.type in _RULE_SOURCES and resource.at("type") != "egress":
        found = [(key, resource.at(key)) for key in _RULE_SOURCES[resource.type]]
    for path, value in found:
        networks = value if isinstance(value, list) else [value]
        if EVERYONE & {str(each) for each in networks}:
            yield Violation(resource, path, value, "name the networks, or the security group, that may come in")


def _open_cluster(resource: Resource) -> Iterator[Violation]:
    if resource.type != CLUSTER:
        return
    # Left out, both mean everyone: https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html
    public = resource.at("vpcConfig", "endpointPublicAccess")
    networks = resource.at("vpcConfig", "publicAccessCidrs")
    if public is False or (public is not None and not known(public)):
        return
    if not networks or EVERYONE & {str(each) for each in networks}:
        yield Violation(
            resource, "vpcConfig.publicAccessCidrs", networks,
            "set vpcConfig.endpointPublicAccess to false, or name the networks that may reach the API",
        )  # fmt: skip
