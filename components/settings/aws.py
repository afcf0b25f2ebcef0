"""Settings of the AWS account that a stack lives in."""

from __future__ import annotations

import ipaddress
import zoneinfo
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.settings.base import Email, Model, Url

# A subnet for nodes holds 1,024 addresses or more: pods take them in blocks of 16 a node.
LARGEST_PREFIX_LENGTH = 20
# RDS keeps automated backups for at most this many days.
LONGEST_BACKUP_DAYS = 35
ONE_OR_EACH = Literal["single", "per_zone"]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="a time such as 07:30, quoted")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SHORTEST_DAY_MINUTES = 120
LATEST_SLEEP_MINUTES = 23 * 60 + 30
Days = Annotated[int, Field(ge=0, le=3650, description="days")]
# What CloudWatch Logs accepts, https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class Network(Model):
    """The VPC. zones: letters of the region's availability zones.

    nat_gateways, interface_endpoints: `single` costs least, and traffic stops when its zone does; `per_zone` survives.
    """

    cidr: str = "10.0.0.0/16"
    zones: list[Annotated[str, Field(pattern=r"^[a-f]$", description="a zone's letter")]] = Field(
        default=["a", "b", "c"], min_length=2, max_length=3
    )
    nat_gateways: ONE_OR_EACH = "single"
    interface_endpoints: ONE_OR_EACH = "single"

    @field_validator("cidr")
    @classmethod
    def _large_enough(cls, value: str) -> str:
        network = ipaddress.ip_network(value)
        if network.version != 4 or not network.is_private:
            raise ValueError("a VPC's range is a private IPv4 network, such as 10.0.0.0/16")
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
    """What EKS Auto Mode may start. cpu: the most cores of each pool, the stack's ceiling of cost."""

    architectures: list[Literal["amd64", "arm64"]] = Field(default=["amd64"], min_length=1)
    on_demand_cpu: Annotated[int, Field(ge=2)] = 16
    spot_cpu: Annotated[int, Field(ge=2)] = 32


class Cluster(Model):
    """EKS. public_access: networks that reach the API from outside the VPC; none of them closes it to the outside.

    administrators: ARNs of IAM roles or users that administer the cluster, beside whoever creates it.
    """

    version: Annotated[str, Field(pattern=r"^1\.[0-9]{2}$", description="like 1.34")] = "1.34"
    public_access: list[str] = Field(default_factory=list)
    administrators: list[Annotated[str, Field(pattern=r"^arn:aws:iam::[0-9]{12}:(role|user)/.+$")]] = Field(
        default_factory=list
    )
    nodes: Nodes = Nodes()

    @field_validator("public_access")
    @classmethod
    def _not_everyone(cls, value: list[str]) -> list[str]:
        for text in value:
            network = ipaddress.ip_network(text)
            if network.version != 4 or network.prefixlen < 8:
                raise ValueError(f"{text} is not an office: name IPv4 networks of /8 or smaller")
        return value


class Retention(Model):
    """How long things are kept, in days. images: how many builds of each image."""

    backup_days: Annotated[int, Field(ge=0, le=LONGEST_BACKUP_DAYS, description="days")] = 7
    log_days: LogDays = 30
    old_version_days: Annotated[int, Field(ge=1, le=3650, description="days")] = 30
    images: Annotated[int, Field(ge=2, le=1000)] = 20


class Tags(Model):
    """Tags of every resource, beside stack and component."""

    owner: Annotated[str, Field(min_length=1, max_length=256)]
    cost_center: Annotated[str, Field(min_length=1, max_length=256)]


class Budget(Model):
    """A mail at 80 % of the month's limit, at 100 %, and when the forecast passes it."""

    monthly_usd: Annotated[int, Field(ge=1)]
    emails: list[Email] = Field(min_length=1, max_length=10)


class Schedule(Model):
    """When a stack is awake: from `wake` to `sleep`, on `days`. Around them nothing runs that costs by the hour.

    Times of a day rather than cron: Kubernetes and EventBridge write cron differently, and what goes to sleep goes one
    after the other.
    """

    wake: Clock = "07:00"
    sleep: Clock = "20:00"
    days: list[Day] = Field(default=["mon", "tue", "wed", "thu", "fri"], min_length=1, max_length=7)
    timezone: Annotated[str, Field(description="like Europe/Berlin")] = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError(f"{value} is no time zone of the IANA database, such as Europe/Berlin")
        return value

    @model_validator(mode="after")
    def _awake(self) -> Schedule:
        if minutes(self.sleep) - minutes(self.wake) < SHORTEST_DAY_MINUTES:
            raise ValueError(f"awake from {self.wake} to {self.sleep}: that is less than two hours of one day")
        if minutes(self.sleep) > LATEST_SLEEP_MINUTES:
            raise ValueError(f"sleep {self.sleep} is after 23:30; the database stops a quarter of an hour later")
        if len(set(self.days)) != len(self.days):
            raise ValueError("each day once")
        return self

    @property
    def share_awake(self) -> float:
        """Return the part of a week that the stack is awake, 0 to 1."""
        return (minutes(self.sleep) - minutes(self.wake)) * len(self.days) / (7 * 24 * 60)


def minutes(clock: str) -> int:
    """Return the minutes from midnight to a time such as 07:30."""
    return int(clock[:2]) * 60 + int(clock[3:])


class Ci(Model):
    """The roles of a repository's workflows on GitHub (`make ci-role`). repository: owner/name.

    state_bucket: holds Pulumi's state. secrets_key: ARN of the KMS key of the stack's secrets. oidc_provider: ARN of
    GitHub's identity provider where the account has one, which it can have only once; None makes it.
    """

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")]
    state_bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="a bucket's name")]
    secrets_key: Annotated[str, Field(pattern=r"^arn:aws:kms:\S+:key/\S+$", description="a KMS key's ARN")]
    oidc_provider: Annotated[str, Field(pattern=r"^arn:aws:iam::[0-9]{12}:oidc-provider/\S+$")] | None = None


class Aws(Model):
    """The account, and what all its resources share.

    name: begins every resource's name; None is `headwater-<stack>`. endpoint: of an AWS emulator, for every client and
    provider; None is AWS. deletion_protection: nothing that holds data can be destroyed, by Pulumi or by hand.
    schedule: puts the stack to sleep at night; None is never.
    """

    account: Annotated[str, Field(pattern=r"^[0-9]{12}$", description="an account's 12 digits, quoted")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="like eu-central-1")]
    # A bucket's name has 63 letters, of which 27 are ours: `-access-logs-` and the account, with one to spare.
    name: (
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,34}[a-z0-9]$", description="3 to 36 of a-z 0-9 -")] | None
    ) = None
    endpoint: Url | None = Field(default=None, description="an http(s) URL")
    network: Network = Network()
    cluster: Cluster = Cluster()
    retention: Retention = Retention()
    deletion_protection: bool = True
    tags: Tags
    budget: Budget | None = None
    ci: Ci | None = None
    schedule: Schedule | None = None

    @model_validator(mode="after")
    def _protected_data_has_backups(self) -> Aws:
        if self.deletion_protection and self.retention.backup_days == 0:
            raise ValueError("deletion_protection with retention.backup_days 0 protects a database that has no backup")
        return self

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
