"""The Iceberg REST catalog in the cluster."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import connections, ports, settings
from components.connections import Database, ObjectStore, Platform
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, SecretKey
from components.kubernetes.probes import HttpCheck, Probes
from components.kubernetes.trust import authority_mounts
from components.lake import warehouse
from components.settings import Size

PORT = ports.CATALOG
VERSION = "1.11.0"
SECRET = "catalog-credentials"  # noqa: S105 - the object's name
CLIENTS = ("trino", "ingestion")


@dataclass(frozen=True)
class CatalogArgs:
    """database: where it keeps its pointers. store: where it writes table metadata."""

    platform: Platform
    settings: settings.Catalog
    database: Database
    store: ObjectStore


class RestCatalog(pulumi.ComponentResource):
    """The server; `connection` is what a client that may hold its token gets.

    Ingestion has a token of its own (`loader`), which opens what it loads.
    """

    def __init__(self, name: str, args: CatalogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:catalog:RestCatalog", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("catalog", "server", VERSION, args.platform.namespace)
        token = args.platform.credentials.get("catalog-token")
        loader = args.platform.credentials.get("catalog-loader-token")
        tokens = {"token": token, "loader-token": loader}
        values = {**tokens, "database-password": args.database.password, **args.store.secret_values()}
        secret = workloads.secret(SECRET, identity, values, child)
        network.allow_ingress("catalog", identity, {"http": PORT}, [network.Peer(CLIENTS)], child)
        server = workloads.deployment(
            "catalog",
            identity,
            server_container(args.platform.image("catalog"), args.platform.sizes.catalog, args.database, args.store),
            pulumi.ResourceOptions(parent=self, depends_on=[secret, *args.database.ready, *args.store.ready]),
            service_account=workloads.service_account("catalog", identity, child),
            configuration=workloads.secrets_hash(values),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service("catalog", identity, PORT, after, port_name="http")
        self.connection = connections.Catalog(
            uri=f"http://catalog:{PORT}",
            warehouse=warehouse(args.store.bucket),
            authentication=connections.BearerToken(token),
            loader=connections.BearerToken(loader),
            ready=(server, service),
        )
        self.register_outputs({})


def server_container(image: pulumi.Input[str], size: Size, database: Database, store: ObjectStore) -> Container:
    """Return the server's container. CATALOG_* become Iceberg catalog properties: `__` is `-`, `_` is `.`."""
    environment: dict[str, pulumi.Input[str]] = {
        "CATALOG_URI": database.jdbc_uri(),
        "CATALOG_JDBC_USER": database.user,
        "CATALOG_WAREHOUSE": warehouse(store.bucket),
        "CATALOG_CLIENT_REGION": store.region,
        "AWS_REGION": store.region,
    }
    if store.endpoint is not None:
        environment["CATALOG_S3_ENDPOINT"] = store.endpoint
    if store.path_style:
        environment["CATALOG_S3_PATH__STYLE__ACCESS"] = "true"
    secret_environment = {
        "CATALOG_TOKEN": SecretKey(SECRET, "token"),
        "CATALOG_LOADER_TOKEN": SecretKey(SECRET, "loader-token"),
        "CATALOG_JDBC_PASSWORD": SecretKey(SECRET, "database-password"),
    }
    if store.credentials is not None:
        secret_environment["CATALOG_S3_ACCESS__KEY__ID"] = SecretKey(SECRET, "access-key")
        secret_environment["CATALOG_S3_SECRET__ACCESS__KEY"] = SecretKey(SECRET, "secret-key")
    return Container(
        name="catalog",
        image=image,
        size=size,
        environment=environment,
        secret_environment=secret_environment,
        ports={"http": PORT},
        mounts=[pods.tmp(), *authority_mounts(database)],
        probes=Probes(ready=HttpCheck("/healthz", "http")),
    )
