"""Which resources hold things that cannot be made again: data, keys, addresses that others know."""

from __future__ import annotations

HOLDS = {
    "aws:s3/bucket:Bucket": "objects",
    "aws:s3/bucketV2:BucketV2": "objects",
    "aws:s3tables/tableBucket:TableBucket": "tables",
    "aws:rds/instance:Instance": "databases",
    "aws:rds/cluster:Cluster": "databases",
    "aws:dynamodb/table:Table": "items",
    "aws:efs/fileSystem:FileSystem": "files",
    "aws:ebs/volume:Volume": "files",
    "aws:ecr/repository:Repository": "images",
    "aws:eks/cluster:Cluster": "every workload and its volumes",
    "aws:ec2/vpc:Vpc": "everything in the network",
    "aws:glue/catalogDatabase:CatalogDatabase": "table definitions",
    "aws:kms/key:Key": "the key to all that it encrypted",
    "aws:secretsmanager/secret:Secret": "a secret value",
    "aws:cloudwatch/logGroup:LogGroup": "logs",
    "kubernetes:apps/v1:StatefulSet": "volumes",
    "kubernetes:core/v1:PersistentVolumeClaim": "files",
    "kubernetes:core/v1:PersistentVolume": "files",
    "kubernetes:core/v1:Namespace": "everything in the namespace",
}
"""Type → what is lost with the resource."""


def holds(resource_type: str) -> str | None:
    """Return what a resource of the type holds that its deletion loses; None where it can be made anew."""
    return HOLDS.get(resource_type)
