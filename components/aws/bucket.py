"""A bucket that is private by default: encrypted, versioned, closed to the public, accepts TLS only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.account import Account, tags

# Parts of uploads that were cut off; nobody sees them, and they are paid for.
UPLOAD_DAYS = 7
TIERING_DAYS = 30

Rule = aws.s3.BucketLifecycleConfigurationRuleArgs


@dataclass(frozen=True)
class BucketArgs:
    """bucket: its name. key: KMS key; None is S3's own keys, all that a bucket for access logs may have.

    logs: the bucket for access logs; None for that bucket itself. statements: of its policy, beside TLS.
    expiry: prefix → days after which objects below it go. tiering: what is not read moves to cheaper storage.
    """

    account: Account
    bucket: str
    key: pulumi.Input[str] | None
    logs: Bucket | None = None
    statements: Sequence[policies.Statement] = ()
    expiry: tuple[tuple[str, int], ...] = ()
    tiering: bool = False


class Bucket(pulumi.ComponentResource):
    """The bucket; `name` is known before it is made, `ready` is what must be there before it is used."""

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:Bucket", name, None, opts)
        account = args.account
        child, component = account.child(self), "storage"
        made = aws.s3.Bucket(
            name,
            bucket=args.bucket,
            force_destroy=not account.settings.deletion_protection,
            tags=tags(component, args.bucket),
            opts=account.child(self, holds_data=True),
        )
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-closed",
            bucket=made.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        owned = aws.s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=made.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        encryption = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs
        encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=made.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=encryption(sse_algorithm="AES256")
                    if args.key is None
                    else encryption(sse_algorithm="aws:kms", kms_master_key_id=args.key),
                    # One request to KMS for many objects.
                    bucket_key_enabled=args.key is not None,
                )
            ],
            opts=child,
        )
        versioned = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=made.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        statements = [*([policies.tls_only(args.bucket)] if account.speaks_tls else []), *args.statements]
        # Two changes of a bucket's access at once are refused by S3.
        after = account.child(self, closed)
        policy = (
            [
                aws.s3.BucketPolicy(
                    f"{name}-policy", bucket=made.bucket, policy=policies.document(statements), opts=after
                )
            ]
            if statements
            else []
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=made.bucket,
            rules=lifecycle(account.settings.retention.old_version_days, args.expiry, tiering=args.tiering),
            opts=account.child(self, versioned),
        )
        if args.logs is not None:
            aws.s3.BucketLogging(
                f"{name}-logging",
                bucket=made.bucket,
                target_bucket=args.logs.name,
                target_prefix=f"{args.bucket}/",
                opts=account.child(self, *args.logs.ready),
            )
        self.name: pulumi.Output[str] = made.bucket
        self.ready: tuple[pulumi.Resource, ...] = (made, owned, encrypted, versioned, *policy)
        self.register_outputs({"bucket": made.bucket})


def lifecycle(old_version_days: int, expiry: Sequence[tuple[str, int]], *, tiering: bool) -> list[Rule]:
    """Return a bucket's lifecycle: what is paid for and never read again goes, or moves to a cheaper class."""
    everything = aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    moved = aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(
        days=TIERING_DAYS, storage_class="INTELLIGENT_TIERING"
    )
    rules = [
        Rule(
            id="old-versions",
            status="Enabled",
            filter=everything,
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=UPLOAD_DAYS
            ),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=old_version_days
            ),
            transitions=[moved] if tiering else None,
        ),
        Rule(
            id="delete-markers",
            status="Enabled",
            filter=everything,
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
        ),
    ]
    for number, (prefix, days) in enumerate(expiry):
        rules.append(
            Rule(
                id=f"expire-{number}",
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
                noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                    noncurrent_days=1
                ),
            )
        )
    return rules
