"""The object store, as its consumers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.lake import EXCHANGE, LAKE


@dataclass(frozen=True)
class S3Credentials:
    """A key pair of the object store, both halves secret."""

    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]


@dataclass(frozen=True)
class ObjectStore:
    """A bucket and how one consumer reaches it.

    endpoint: None is AWS's own. credentials: None is the workload's identity, whose role's ARN is `role`.
    ready: what must exist before use. scratch: a bucket for what nobody misses once it is used; None is `bucket`.
    """

    bucket: str
    region: str
    endpoint: str | None = None
    path_style: bool = False
    credentials: S3Credentials | None = None
    role: str | None = None
    scratch: str | None = None
    ready: tuple[pulumi.Resource, ...] = ()

    @property
    def exchange(self) -> str:
        """Where Trino keeps intermediate results of fault-tolerant queries."""
        return f"s3://{self.bucket if self.scratch is None else self.scratch}/{EXCHANGE}"

    def trino_properties(self) -> dict[str, str]:
        """Return the file system part of a Trino catalog; keys come from the variables S3_ACCESS_KEY, S3_SECRET_KEY."""
        properties = {"fs.native-s3.enabled": "true", "s3.region": self.region}
        if self.endpoint is not None:
            properties["s3.endpoint"] = self.endpoint
        if self.path_style:
            properties["s3.path-style-access"] = "true"
        if self.credentials is not None:
            properties["s3.aws-access-key"] = "${ENV:S3_ACCESS_KEY}"
            properties["s3.aws-secret-key"] = "${ENV:S3_SECRET_KEY}"
        return properties

    def trino_exchange_properties(self) -> dict[str, str]:
        """Return how Trino's exchange manager reaches the store, with the keys from the same variables."""
        names = {
            "s3.region": "exchange.s3.region",
            "s3.endpoint": "exchange.s3.endpoint",
            "s3.path-style-access": "exchange.s3.path-style-access",
            "s3.aws-access-key": "exchange.s3.aws-access-key",
            "s3.aws-secret-key": "exchange.s3.aws-secret-key",
        }
        store = {names[name]: value for name, value in self.trino_properties().items() if name in names}
        return {"exchange.base-directories": self.exchange, **store}

    def pyiceberg_environment(self) -> dict[str, str]:
        """Return pyiceberg's variables for the catalog `lake`; the keys come from `secret_environment`."""
        environment = {"S3__REGION": self.region}
        if self.endpoint is not None:
            environment["S3__ENDPOINT"] = self.endpoint
        if self.path_style:
            environment["S3__PATH_STYLE_ACCESS"] = "true"
        return pyiceberg_variables(environment)

    def secret_values(self) -> dict[str, pulumi.Output[str]]:
        """Return what a Kubernetes Secret of this consumer holds: access-key and secret-key, or nothing."""
        if self.credentials is None:
            return {}
        return {"access-key": self.credentials.access_key, "secret-key": self.credentials.secret_key}

    def secret_environment(self) -> dict[str, str]:
        """Return pyiceberg's variables that are secret: variable → key of the consumer's Secret."""
        keys = {"S3__ACCESS_KEY_ID": "access-key", "S3__SECRET_ACCESS_KEY": "secret-key"}
        return {} if self.credentials is None else pyiceberg_variables(keys)


def pyiceberg_variables(values: Mapping[str, str]) -> dict[str, str]:
    """Return pyiceberg's variables of the catalog `lake`: `__` is a dot, `_` a hyphen."""
    return {f"PYICEBERG_CATALOG__{LAKE.upper()}__{name}": value for name, value in values.items()}
