"""The infrastructure of a stack that is all in one existing cluster: MinIO, PostgreSQL, a REST catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi

from components import connections, settings
from components.catalog.remote import remote
from components.catalog.rest import CatalogArgs, RestCatalog
from components.cluster import kubeconfig
from components.connections import Balancer, Metrics, ObjectStore, Placement, Platform, Registry
from components.database.postgres import Database, DatabaseArgs
from components.images.specs import PREFIX
from components.secrets import Credentials
from components.storage.minio import Minio, StorageArgs


class Databases(Protocol):
    """The platform's database, with a database of its own for each service."""

    def connection(self, service: str) -> connections.Database:
        """Return the database of one of `database.services.SERVICES`."""


class Storage(Protocol):
    """The object store, with keys or an identity for each consumer."""

    def store(self, consumer: str) -> ObjectStore:
        """Return the lake as one of `lake.CONSUMERS` may use it."""


@dataclass(frozen=True)
class Pages:
    """What must be there before each page can be shown, and the secrets with which they ask who is there."""

    dashboards: Sequence[pulumi.Resource]
    orchestration: Sequence[pulumi.Resource]
    client_secrets: settings.ClientSecrets | None


class OneMachine:
    """Makes the parts of a foundation. Each method makes its part, and is called once."""

    def __init__(self, stack: settings.Settings, credentials: Credentials, config: pulumi.Config) -> None:
        self.stack, self.credentials, self._config = stack, credentials, config

    @property
    def interruptible(self) -> Placement | None:
        """Where work goes that may be cut off; None where all nodes are alike."""
        return None

    @property
    def balancer(self) -> Balancer | None:
        """The load balancer in front of the pages; None where there is none."""
        return None

    def cluster(self) -> pulumi.ResourceOptions:
        """Return the options of whatever runs in the cluster."""
        return pulumi.ResourceOptions(provider=kubeconfig.provider(self.stack.kubernetes))

    def registry(self) -> Registry:
        """Return where images go."""
        return Registry(self.stack.images.registry, PREFIX)

    def database(self, platform: Platform, in_cluster: pulumi.ResourceOptions) -> Databases:
        """Return the database of all services."""
        return Database("database", DatabaseArgs(platform, self.stack.database), in_cluster)

    def storage(self, platform: Platform, in_cluster: pulumi.ResourceOptions) -> Storage:
        """Return the object store."""
        return Minio("storage", StorageArgs(platform, self.stack.storage), in_cluster)

    def catalog(
        self, platform: Platform, database: Databases, storage: Storage, in_cluster: pulumi.ResourceOptions
    ) -> connections.Catalog:
        """Return the Iceberg catalog: a server in the cluster, or the one that the settings name by its URI."""
        chosen = self.stack.catalog
        if chosen.uri is None:
            args = CatalogArgs(platform, chosen, database.connection("catalog"), storage.store("catalog"))
            return RestCatalog("catalog", args, in_cluster).connection
        secret = self._config.get_secret
        token, client = secret(settings.CATALOG_TOKEN), secret(settings.CATALOG_CREDENTIAL)
        return remote(chosen, storage.store("trino"), token, client)

    def metrics(self) -> Metrics | None:
        """Return where the pipeline publishes its own facts; None where nobody watches."""
        return None

    def finish(
        self, platform: Platform, pages: Pages, in_cluster: pulumi.ResourceOptions
    ) -> Mapping[str, pulumi.Input[object]]:
        """Make what comes last, once the pages are there; return the stack's outputs about its account."""
        del platform, pages, in_cluster
        return {}
