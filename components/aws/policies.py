"""IAM policy documents, as pure functions: who may do what to which resource."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

VERSION = "2012-10-17"
Statement = dict[str, Any]

READ_TABLES = (
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetTableVersion",
    "glue:GetTableVersions",
    "glue:GetPartition",
    "glue:GetPartitions",
)
WRITE_TABLES = ("glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable")
READ_OBJECTS = ("s3:GetObject",)
WRITE_OBJECTS = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
READ_S3_TABLES = (
    "s3tables:GetTableBucket",
    "s3tables:GetNamespace",
    "s3tables:ListNamespaces",
    "s3tables:ListTables",
    "s3tables:GetTable",
    "s3tables:GetTableData",
    "s3tables:GetTableMetadataLocation",
)
WRITE_S3_TABLES = (
    "s3tables:CreateNamespace",
    "s3tables:CreateTable",
    "s3tables:PutTableData",
    "s3tables:UpdateTableMetadataLocation",
    "s3tables:RenameTable",
    "s3tables:DeleteTable",
)


def document(statements: Iterable[Statement]) -> str:
    """Return the policy as JSON."""
    return json.dumps({"Version": VERSION, "Statement": list(statements)}, separators=(",", ":"))


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Mapping[str, str | list[str]]] | None = None,
) -> Statement:
    """Return a statement of an identity's policy."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement if condition is None else statement | {"Condition": dict(condition)}


def trust(principals: Mapping[str, str], actions: Sequence[str] = ("sts:AssumeRole",), **condition: Any) -> Statement:
    """Return a statement of a role's trust policy: who may assume it."""
    statement: Statement = {"Effect": "Allow", "Principal": dict(principals), "Action": list(actions)}
    return statement | ({"Condition": condition} if condition else {})


def pod_identity_trust(account: str, region: str, cluster: str, itself: str | None = None) -> list[Statement]:
    """Return who may assume a workload's role: EKS for the pods of the cluster, and `itself`, the role's own name.

    Trino signs catalog requests only with a role that it assumes; the one that its pod has is the least of all.
    """
    agent = trust(
        {"Service": "pods.eks.amazonaws.com"},
        ("sts:AssumeRole", "sts:TagSession"),
        StringEquals={"aws:SourceAccount": account},
        ArnEquals={"aws:SourceArn": f"arn:aws:eks:{region}:{account}:cluster/{cluster}"},
    )
    if itself is None:
        return [agent]
    # A role that does not exist yet can't be a principal, so a condition names it.
    root, role = f"arn:aws:iam::{account}:root", f"arn:aws:iam::{account}:role/{itself}"
    actions = ("sts:AssumeRole", "sts:TagSession")
    return [agent, trust({"AWS": root}, actions, ArnEquals={"aws:PrincipalArn": role})]


def bucket_access(
    bucket: str, key: str, *, reads: Sequence[str] = (), writes: Sequence[str] = (), sid: str = "Lake"
) -> list[Statement]:
    """Return access to the objects below some prefixes of a bucket that the KMS key encrypts.

    reads, writes: prefixes that end in `/`, or `` for the whole bucket. What may be written may be read.
    """
    arn = f"arn:aws:s3:::{bucket}"
    wanted = sorted({*reads, *writes})
    readable = [each for each in wanted if not any(each != other and each.startswith(other) for other in wanted)]
    whole = "" in readable
    listing = [allow(f"{sid}Location", ["s3:GetBucketLocation"], [arn])]
    prefixes = None if whole else {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in readable]}}
    listing.append(allow(f"{sid}List", ["s3:ListBucket"], [arn], prefixes))
    objects = [allow(f"{sid}Read", READ_OBJECTS, [f"{arn}/{prefix}*" for prefix in readable])]
    if writes:
        objects.append(allow(f"{sid}Write", WRITE_OBJECTS, [f"{arn}/{prefix}*" for prefix in sorted(writes)]))
    # S3 asks KMS in the caller's name; a multipart upload decrypts too.
    actions = ["kms:Decrypt", "kms:GenerateDataKey"] if writes else ["kms:Decrypt"]
    return [*listing, *objects, allow(f"{sid}Key", actions, [key])]


def glue_access(
    account: str, region: str, *, reads: Sequence[str], writes: Sequence[str], creates: Sequence[str] = ()
) -> list[Statement]:
    """Return access to databases of Glue by name. creates: databases that may be made where they are missing."""
    prefix = f"arn:aws:glue:{region}:{account}"

    def places(databases: Iterable[str]) -> list[str]:
        tables = [f"{prefix}:{kind}" for name in databases for kind in (f"database/{name}", f"table/{name}/*")]
        return [f"{prefix}:catalog", *tables]

    statements = [
        # Listing is all or nothing: Glue does not filter by permission.
        allow("GlueList", ["glue:GetDatabases"], [f"{prefix}:catalog", f"{prefix}:database/*"]),
        allow("GlueRead", READ_TABLES, places(sorted({*reads, *writes}))),
        allow("GlueWrite", WRITE_TABLES, places(writes)),
    ]
    if creates:
        databases = [f"{prefix}:catalog", *(f"{prefix}:database/{name}" for name in creates)]
        statements.append(allow("GlueCreateDatabase", ["glue:CreateDatabase"], databases))
    return statements


def s3_tables_access(bucket: str, *, writes: Sequence[str] | None) -> list[Statement]:
    """Return access to an S3 table bucket (its ARN): all may be read; written, the namespaces named, or all of them."""
    places = [bucket, f"{bucket}/table/*"]
    limit = None if writes is None else {"StringEquals": {"s3tables:namespace": list(writes)}}
    return [allow("TablesRead", READ_S3_TABLES, places), allow("TablesWrite", WRITE_S3_TABLES, places, limit)]


def secret_access(secret: str, key: str) -> list[Statement]:
    """Return access to one secret of Secrets Manager, encrypted by the KMS key."""
    return [
        allow("ReadSecret", ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], [secret]),
        allow("DecryptSecret", ["kms:Decrypt"], [key]),
    ]


def tls_only(bucket: str) -> Statement:
    """Return the statement of a bucket's policy that refuses requests without TLS."""
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def access_log_delivery(bucket: str, account: str) -> Statement:
    """Return the statement that lets S3 write the access logs of the account's buckets."""
    return {
        "Sid": "AccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }


def metrics_access(namespace: str) -> list[Statement]:
    """Return what lets a workload publish metrics, to one namespace of CloudWatch; metrics are no resources to IAM."""
    only = {"StringEquals": {"cloudwatch:namespace": namespace}}
    return [allow("PublishMetrics", ["cloudwatch:PutMetricData"], ["*"], only)]


def agent_access(account: str, region: str, log_groups: str, namespace: str) -> list[Statement]:
    """Return what CloudWatch's agent needs on a node: its log groups (a pattern), its metrics, and what nodes are."""
    group = f"arn:aws:logs:{region}:{account}:log-group:{log_groups}"
    write = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return [
        *metrics_access(namespace),
        allow("WriteLogs", write, [group, f"{group}:log-stream:*"]),
        allow("Find", ["logs:DescribeLogGroups", "ec2:DescribeTags", "ec2:DescribeVolumes"], ["*"]),
    ]


def alarms_publish(topic: str, account: str, alarms: str) -> Statement:
    """Return the statement of a topic's policy that lets the account's alarms (a pattern of ARNs) publish to it."""
    return {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": alarms}},
    }


def load_balancer_log_delivery(bucket: str, prefix: str, account: str) -> Statement:
    """Return the statement that lets the account's load balancers write their access logs below the prefix.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    return {
        "Sid": "LoadBalancerLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/{prefix}/AWSLogs/{account}/*",
    }


def key_policy(account: str, region: str, log_groups: Sequence[str] = (), *, alarms: bool = False) -> str:
    """Return a KMS key's policy: IAM policies of the account decide, as KMS has it by default.

    log_groups: patterns of the names of log groups that CloudWatch Logs may encrypt with the key. alarms: whether
    CloudWatch's alarms may send to a topic that the key encrypts; SNS asks KMS in their name.
    """
    statements: list[Statement] = [
        {
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if log_groups:
        arns = [f"arn:aws:logs:{region}:{account}:log-group:{pattern}" for pattern in log_groups]
        context = {"kms:EncryptionContext:aws:logs:arn": arns}
        statements.append(
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{region}.amazonaws.com"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"ArnLike": context},
            }
        )
    if alarms:
        statements.append(
            {
                "Sid": "Alarms",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
        )
    return document(statements)
