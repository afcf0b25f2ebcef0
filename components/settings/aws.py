"""Settings of the AWS account that a stack lives in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from components.settings import eks, networks
from components.settings.base import Allowed, Email, Ipv4Network, Model, Url, WrongField, each_once
from components.settings.naming import TagValue, aws_prefix, bucket_name, known_region, repository_name
from components.settings.schedule import Schedule

# A subnet for nodes holds 1,024 addresses or more: pods take them in blocks of 16 a node.
LARGEST_PREFIX_LENGTH = 20
# RDS keeps automated backups for at most this many days.
LONGEST_BACKUP_DAYS = 35
# https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
LARGEST_DISK_GIB = 64 * 1024
# Regions of the other partitions begin so: China, GovCloud, the isolated ones.
OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-iso")
ZONE = "a zone's letter, a to f: `aws ec2 describe-availability-zones --region <region>` lists those there are"
ONE_OR_EACH = Literal["single", "per_zone"]
# What CloudWatch Logs accepts, https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class Network(Model):
    """The stack's own network (VPC)."""

    cidr: Annotated[str, Allowed("a private IPv4 network between /16 and /20")] = Field(
        default="10.0.0.0/16",
        description="The network's range of addresses. It must not overlap with networks that are peered with it.",
    )
    zones: list[Annotated[str, Field(pattern=r"^[a-f]$"), Allowed(ZONE)]] = Field(
        default=["a", "b", "c"],
        min_length=2,
        max_length=3,
        description="Letters of the region's availability zones in which there are subnets. Regions that lack a, b or "
        "c need others: only AWS knows which your account has, and refuses the rest during the first update.",
    )
    nat_gateways: ONE_OR_EACH = Field(
        default="single",
        description="How many NAT gateways carry traffic to the internet. `single` costs least, and traffic stops when "
        "its zone fails; `per_zone` goes on.",
    )
    interface_endpoints: ONE_OR_EACH = Field(
        default="single",
        description="In how many zones the private addresses of AWS's APIs are. `single` costs least, and calls stop "
        "when its zone fails; `per_zone` goes on.",
    )

    @field_validator("cidr")
    @classmethod
    def _large_enough(cls, value: str) -> str:
        network = networks.private(value)
        if not 16 <= network.prefixlen <= LARGEST_PREFIX_LENGTH:
            raise ValueError(
                f"/{network.prefixlen} is not between /16, the largest VPC, and /{LARGEST_PREFIX_LENGTH}, the smallest "
                "that holds three subnets of 1,024 addresses for nodes and three for load balancers"
            )
        return value

    @field_validator("zones")
    @classmethod
    def _different(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each zone once")
        return value


class Nodes(Model):
    """The nodes that EKS Auto Mode may start. The two ceilings limit what the stack can cost."""

    architectures: list[Literal["amd64", "arm64"]] = Field(
        default=["amd64"],
        min_length=1,
        description="The processors that nodes may have. `images.platforms` must have each of them.",
    )
    on_demand_cpu: int = Field(
        default=16,
        ge=2,
        description="The most cores of all nodes on demand together. Everything runs on them that must not be cut off.",
    )
    spot_cpu: int = Field(
        default=32,
        ge=2,
        description="The most cores of all spot nodes together: ingestion and Trino's workers, which may be cut off.",
    )
    # Of EKS's NodeClass, which knows no Mi.
    disk: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}Gi$"), Allowed("a size such as 100Gi")] = Field(
        default="100Gi", description="The disk of each node. It holds images, spilled queries and batch files."
    )

    @field_validator("disk")
    @classmethod
    def _of_ebs(cls, value: str) -> str:
        if int(value[:-2]) > LARGEST_DISK_GIB:
            raise ValueError(f"EBS has no volume above {LARGEST_DISK_GIB}Gi; name a smaller one")
        return value


class Cluster(Model):
    """The EKS cluster. Its API answers to the networks named here; at least one of the two lists must have one."""

    version: Annotated[str, Field(pattern=r"^1\.[0-9]{2}$"), Allowed(f'quoted, like "{eks.DEFAULT}"')] = Field(
        default=eks.DEFAULT,
        description="The version of Kubernetes. A cluster that is there goes up by one minor version at a time, and "
        "never back.",
    )
    # EKS takes no more than 40, https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
    public_access: list[Ipv4Network] = Field(
        default_factory=list,
        max_length=40,
        description="Networks that reach the cluster's API over the internet, /8 or smaller. An empty list closes it "
        "to the internet.",
    )
    private_access: list[Ipv4Network] = Field(
        default_factory=list,
        description="Networks that reach the API at its addresses in the VPC, /8 or smaller: a VPN's, a peered VPC's, "
        "or the VPC's own where a runner is in it. EKS lets in nobody but nodes by itself.",
    )
    administrators: list[
        Annotated[
            str,
            Field(pattern=r"^arn:aws:iam::[0-9]{12}:(role|user)/.+$"),
            Allowed("the ARN of an IAM role or user"),
        ]
    ] = Field(
        default_factory=list,
        description="IAM roles and users that administer the cluster, beside whoever creates it.",
    )
    nodes: Nodes = Nodes()

    @field_validator("administrators")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        return each_once(value)

    @field_validator("public_access", "private_access")
    @classmethod
    def _not_everyone(cls, value: list[str]) -> list[str]:
        return networks.senders(value, "not an office")

    @field_validator("public_access")
    @classmethod
    def _on_the_internet(cls, value: list[str]) -> list[str]:
        networks.public(value)
        return value


class Retention(Model):
    """How long things are kept."""

    backup_days: int = Field(
        default=7,
        ge=0,
        le=LONGEST_BACKUP_DAYS,
        description="Days that RDS keeps its daily backups, and so how far back its point-in-time recovery reaches. "
        "0 makes no backups.",
    )
    log_days: LogDays = Field(default=30, description="Days that CloudWatch keeps logs.")
    old_version_days: int = Field(
        default=30, ge=1, le=3650, description="Days that the lake's bucket keeps what was overwritten or deleted."
    )
    images: int = Field(default=20, ge=2, le=1000, description="How many builds of each image the registry keeps.")


class Tags(Model):
    """Tags of every AWS resource. The program adds two of its own: stack and component."""

    owner: TagValue = Field(description="Who answers for the stack.")
    cost_center: TagValue = Field(description="Who pays for it.")


class Budget(Model):
    """A mail at 80 % of the month's limit, at 100 %, and when the forecast passes it. Not set: no mails."""

    monthly_usd: int = Field(ge=1, description="The month's limit in US dollars. It stops nothing.")
    emails: Annotated[list[Email], AfterValidator(each_once)] = Field(
        min_length=1, max_length=10, description="Who gets the mails."
    )


class Ci(Model):
    """The roles of a repository's workflows on GitHub (`make ci-role` makes them). Not set: no roles."""

    repository: Annotated[
        str, Field(pattern=r"^[\w.-]+/[\w.-]+$"), AfterValidator(repository_name), Allowed("owner/name")
    ] = Field(description="The repository on GitHub whose workflows get the roles.")
    state_bucket: Annotated[
        str,
        Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
        AfterValidator(bucket_name),
        Allowed("a bucket's name"),
    ] = Field(description="The S3 bucket that holds Pulumi's state.")
    secrets_key: Annotated[str, Field(pattern=r"^arn:aws:kms:\S+:key/[^\s*?]+$"), Allowed("a KMS key's ARN")] = Field(
        description="The KMS key that encrypts the stack's secrets."
    )
    oidc_provider: (
        Annotated[
            str,
            Field(pattern=r"^arn:aws:iam::[0-9]{12}:oidc-provider/\S+$"),
            Allowed("the ARN of an identity provider in IAM"),
        ]
        | None
    ) = Field(
        default=None,
        description="GitHub's identity provider, where the account has one already: it can have it only once. Not "
        "set: it is made.",
    )


class Aws(Model):
    """The AWS account of the stack, and what all its resources share. Not set: the stack uses nothing of AWS."""

    account: Annotated[str, Field(pattern=r"^[0-9]{12}$"), Allowed("an account's 12 digits, quoted")] = Field(
        description="The account that everything is made in. The provider refuses to touch any other.",
        # `pulumi config set --path` writes digits as a number: `_digits`.
        json_schema_extra={"type": ["string", "integer"]},
    )
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$"), Allowed("like eu-central-1")] = Field(
        description="The region that everything is made in. China, GovCloud and isolated regions are not supported."
    )
    # A bucket's name has 63 letters, of which 27 are ours: `-access-logs-` and the account, with one to spare.
    name: (
        Annotated[
            str,
            Field(pattern=r"^[a-z][a-z0-9-]{1,34}[a-z0-9]$"),
            AfterValidator(aws_prefix),
            Allowed("3 to 36 of a-z 0-9 -"),
        ]
        | None
    ) = Field(default=None, description="How the names of all resources begin. Not set: `headwater-<stack>`.")
    endpoint: Url | None = Field(
        default=None,
        description="The address of an AWS emulator, for the provider and for every client. Not set: AWS itself.",
    )
    network: Network = Network()
    cluster: Cluster = Cluster()
    retention: Retention = Retention()
    deletion_protection: bool = Field(
        default=True, description="Whether nothing that holds data can be destroyed, by Pulumi or by hand."
    )
    tags: Tags
    budget: Budget | None = None
    ci: Ci | None = None
    schedule: Schedule | None = None

    @model_validator(mode="after")
    def _protected_data_has_backups(self) -> Aws:
        if self.deletion_protection and self.retention.backup_days == 0:
            raise WrongField(
                "retention.backup_days",
                0,
                "with deletion_protection it protects a database that has no backup: keep them for a day at least, or "
                "set deletion_protection to false",
            )
        return self

    @model_validator(mode="after")
    def _of_this_account(self) -> Aws:
        if self.ci is None:
            return self
        provider, own = self.ci.oidc_provider, f"arn:aws:iam::{self.account}:"
        if provider is not None and not provider.startswith(own):
            raise WrongField("ci.oidc_provider", provider, f"roles trust a provider of their account, {self.account}")
        preview = f"{own}role/{self.name}-ci-preview"
        if preview in self.cluster.administrators:
            why = f"{preview} is let into the cluster by the program, to look and not to change; leave it out"
            raise WrongField("cluster.administrators", self.cluster.administrators, why)
        return self

    @field_validator("region")
    @classmethod
    def _of_this_partition(cls, value: str) -> str:
        if value.startswith(OTHER_PARTITIONS):
            raise ValueError(
                "it is in a partition of its own (China, GovCloud, isolated regions), with other ARNs, hosts and "
                "policies than this program writes; take a region of the partition `aws`"
            )
        return known_region(value)

    @field_validator("account", mode="before")
    @classmethod
    def _digits(cls, value: object) -> object:
        # `pulumi config set --path` writes digits as a number, without the zeros that may lead.
        return f"{value:012d}" if isinstance(value, int) else value

    @property
    def prefix(self) -> str:
        """The beginning of every name; `load` sets it."""
        if self.name is None:
            raise ValueError("settings of AWS are completed by settings.load, which knows the stack")
        return self.name
