"""The AWS account of a stack: its provider, and how names, ARNs and tags are made."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import settings
from components.connections import S3Credentials

# The services that the program or its provider calls, by the provider's names for their endpoints.
SERVICES = (
    "budgets", "ec2", "ecr", "eks", "glue", "iam", "kms", "logs", "rds", "s3", "s3control", "secretsmanager", "sns",
    "sts",
)  # fmt: skip

STACK_TAG = "headwater:stack"


@dataclass(frozen=True)
class Account:
    """What every AWS component stands on. stack: its name, for tags. credentials: an emulator's, None on AWS.

    boundary: ARN of the policy that limits every role of the stack; None where no workflow deploys it.
    """

    stack: str
    settings: settings.Aws
    provider: aws.Provider
    credentials: S3Credentials | None = None
    boundary: pulumi.Input[str] | None = None

    @property
    def region(self) -> str:
        """The region of all resources."""
        return self.settings.region

    def name(self, *parts: str) -> str:
        """Return the name of a resource, unique among the stacks of the account."""
        return "-".join((self.settings.prefix, *parts))

    def bucket(self, purpose: str) -> str:
        """Return the name of a bucket, unique in the world because the account's number is."""
        return self.name(purpose, self.settings.account)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region; IAM's are of no region."""
        region = "" if service == "iam" else self.region
        return f"arn:aws:{service}:{region}:{self.settings.account}:{resource}"

    @property
    def log_groups(self) -> tuple[str, ...]:
        """How the names of the log groups begin that the stack's services write to, but for its database's.

        A slash ends each: without it they would be those of a stack whose name begins with this one's, too.
        """
        name = self.name()
        return (f"/{name}/", f"/aws/eks/{name}/", f"/aws/containerinsights/{name}/")

    @property
    def database_log_groups(self) -> str:
        """How the names of the log groups begin that RDS writes to."""
        return f"/aws/rds/instance/{self.name('database')}/"

    @property
    def speaks_tls(self) -> bool:
        """Whether AWS is reached by TLS: always, but for an emulator behind plain HTTP."""
        return self.settings.endpoint is None or self.settings.endpoint.startswith("https:")

    @property
    def registry(self) -> str:
        """The host of the account's ECR registry."""
        return f"{self.settings.account}.dkr.ecr.{self.region}.amazonaws.com"

    def child(
        self, parent: pulumi.Resource, *after: pulumi.Resource, holds_data: bool = False
    ) -> pulumi.ResourceOptions:
        """Return the options of a part of `parent`. holds_data: kept where the stack protects its data."""
        kept = holds_data and self.settings.deletion_protection
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=list(after) if after else None,
            protect=kept or None,
            retain_on_delete=kept or None,
        )


def provider(stack: str, configured: settings.Aws, credentials: S3Credentials | None) -> aws.Provider:
    """Return the provider of the account: it refuses any other account, and tags whatever it makes.

    credentials: an emulator's keys; None takes those of the environment.
    """
    default_tags = aws.ProviderDefaultTagsArgs(tags=shared_tags(stack, configured))
    if configured.endpoint is None:
        return aws.Provider(
            "aws", region=configured.region, allowed_account_ids=[configured.account], default_tags=default_tags
        )
    if credentials is None:
        raise ValueError("an emulator needs credentials, any at all")
    # S3 Control is asked at `<account>.<endpoint>`, which no resolver knows: the emulator is the proxy to itself, where
    # it has no TLS. The account comes from its STS. It answers for all buckets under one host.
    return aws.Provider(
        "aws",
        region=configured.region,
        default_tags=default_tags,
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(SERVICES, configured.endpoint))],
        http_proxy=configured.endpoint if configured.endpoint.startswith("http:") else None,
        s3_use_path_style=True,
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
    )


def shared_tags(stack: str, configured: settings.Aws) -> dict[str, str]:
    """Return the tags of every resource of the stack."""
    return {
        STACK_TAG: stack,
        "headwater:owner": configured.tags.owner,
        "headwater:cost-center": configured.tags.cost_center,
        "headwater:managed-by": "pulumi",
    }


def tags(component: str, name: str | None = None) -> dict[str, str]:
    """Return a resource's own tags: the part of the platform it belongs to, and the name that the console shows."""
    return {"headwater:component": component} | ({} if name is None else {"Name": name})
