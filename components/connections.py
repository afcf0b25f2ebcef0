"""What components hand to one another: small frozen types that know how to render themselves for each client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from components.secrets import Credentials

# The name under which Trino, pyiceberg and dbt know the lake's catalog.
LAKE = "lake"
# Where every client of Trino finds its certificate; run pods too, which pipeline_code/orchestration describes.
TRINO_TRUST = "/etc/headwater/trino"
TRINO_CERTIFICATE = "trino.pem"


@dataclass(frozen=True)
class Exposure:
    """How the stack's pages and ports are reached: NodePorts on this machine, or only within the cluster."""

    kind: Literal["node_port", "cluster_ip"]
    ports: Mapping[str, int] = field(default_factory=dict)
    host: str = "127.0.0.1"

    def node_port(self, service: str) -> int | None:
        """Return the node port of the service; None when it stays within the cluster."""
        return self.ports.get(service) if self.kind == "node_port" else None

    def url(self, service: str, namespace: str, port: int, scheme: str = "http") -> str:
        """Return the URL as a user outside (node port) or inside the cluster reaches the service."""
        node_port = self.node_port(service)
        return (
            f"{scheme}://{service}.{namespace}:{port}" if node_port is None else f"{scheme}://{self.host}:{node_port}"
        )


@dataclass(frozen=True)
class Registry:
    """Where images go. `host` is its address, `prefix` the path below it."""

    host: str
    prefix: str

    def repository(self, image: str) -> str:
        """Return the image's repository, without tag or digest."""
        return f"{self.host}/{self.prefix}/{image}"

    @property
    def insecure(self) -> bool:
        """Whether it speaks plain HTTP: only ever a registry on this machine's loopback."""
        return self.host.split(":")[0] in {"127.0.0.1", "localhost"}


@dataclass(frozen=True)
class Platform:
    """What every component stands on.

    namespace: the platform's, once it exists. image: name → reference by digest. exposure: how users reach it.
    """

    namespace: pulumi.Input[str]
    image: Callable[[str], pulumi.Output[str]]
    credentials: Credentials
    exposure: Exposure


@dataclass(frozen=True)
class S3Credentials:
    """A key pair of the object store, both halves secret."""

    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]


@dataclass(frozen=True)
class ObjectStore:
    """A bucket and how one consumer reaches it.

    endpoint: None is AWS's own. credentials: None is the workload's identity. ready: what must exist before use.
    """

    bucket: str
    region: str
    endpoint: str | None = None
    path_style: bool = False
    credentials: S3Credentials | None = None
    ready: tuple[pulumi.Resource, ...] = ()

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
        return {names[name]: value for name, value in self.trino_properties().items() if name in names}

    def pyiceberg_environment(self) -> dict[str, str]:
        """Return pyiceberg's variables for the catalog `lake`; the keys come from `secret_values`."""
        environment = {"S3__REGION": self.region}
        if self.endpoint is not None:
            environment["S3__ENDPOINT"] = self.endpoint
        if self.path_style:
            environment["S3__PATH_STYLE_ACCESS"] = "true"
        return {f"PYICEBERG_CATALOG__{LAKE.upper()}__{name}": value for name, value in environment.items()}

    def secret_values(self) -> dict[str, pulumi.Output[str]]:
        """Return what a Kubernetes Secret of this consumer holds: access-key and secret-key, or nothing."""
        if self.credentials is None:
            return {}
        return {"access-key": self.credentials.access_key, "secret-key": self.credentials.secret_key}


@dataclass(frozen=True)
class Catalog:
    """An Iceberg REST catalog. token: the bearer token, None where the catalog asks for none."""

    uri: str
    warehouse: str
    token: pulumi.Output[str] | None = None
    ready: tuple[pulumi.Resource, ...] = ()

    def trino_properties(self) -> dict[str, str]:
        """Return the catalog part of a Trino Iceberg catalog; the token comes from the variable CATALOG_TOKEN."""
        properties = {
            "connector.name": "iceberg",
            "iceberg.catalog.type": "rest",
            "iceberg.rest-catalog.uri": self.uri,
            "iceberg.rest-catalog.warehouse": self.warehouse,
            "iceberg.rest-catalog.view-endpoints-enabled": "true",
        }
        if self.token is not None:
            properties["iceberg.rest-catalog.security"] = "OAUTH2"
            properties["iceberg.rest-catalog.oauth2.token"] = "${ENV:CATALOG_TOKEN}"
        return properties

    def pyiceberg_environment(self) -> dict[str, str]:
        """Return pyiceberg's variables for the catalog `lake`; the token comes from `secret_values`."""
        environment = {"TYPE": "rest", "URI": self.uri, "WAREHOUSE": self.warehouse}
        return {f"PYICEBERG_CATALOG__{LAKE.upper()}__{name}": value for name, value in environment.items()}

    def secret_values(self) -> dict[str, pulumi.Output[str]]:
        """Return what a Kubernetes Secret of a consumer holds: catalog-token, or nothing."""
        return {} if self.token is None else {"catalog-token": self.token}


@dataclass(frozen=True)
class Database:
    """One PostgreSQL database and the role that uses it."""

    host: str
    name: str
    user: str
    password: pulumi.Output[str]
    port: int = 5432
    ready: tuple[pulumi.Resource, ...] = ()

    def uri(self) -> pulumi.Output[str]:
        """Return the libpq connection URI with its password, a secret. Derived passwords need no quoting."""
        password: pulumi.Output[str] = pulumi.Output.secret(self.password)
        return password.apply(lambda known: f"postgresql://{self.user}:{known}@{self.host}:{self.port}/{self.name}")


@dataclass(frozen=True)
class QueryEngine:
    """Trino, as its clients see it.

    passwords: user → password, empty where nobody logs in and everything is plain HTTP. certificate: the ConfigMap
    whose key TRINO_CERTIFICATE holds what clients trust, beside passwords.
    """

    host: str
    port: int
    catalog: str = LAKE
    ready: tuple[pulumi.Resource, ...] = ()
    passwords: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    certificate: str | None = None

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "http" if self.certificate is None else "https"

    def environment(self) -> dict[str, str]:
        """Return what clients need beyond host and port: nothing, or the scheme and the certificate's path."""
        if self.certificate is None:
            return {}
        return {"TRINO_HTTP_SCHEME": self.scheme, "TRINO_CA": f"{TRINO_TRUST}/{TRINO_CERTIFICATE}"}

    def secret_values(self, user: str) -> dict[str, pulumi.Output[str]]:
        """Return what a Secret of the client holds: its password under `trino-password`, or nothing."""
        return {"trino-password": self.passwords[user]} if self.passwords else {}
