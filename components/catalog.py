"""The Iceberg REST catalog: one in the cluster, or the connection to another by its URI."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import connections, settings
from components.connections import Database, ObjectStore, Platform
from components.database import authority_mounts
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, Resources, SecretKey
from components.kubernetes.probes import HttpCheck, Probes

PORT = 8181
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
    """The server; `connection` is what a client that may hold its token gets."""

    def __init__(self, name: str, args: CatalogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:catalog:RestCatalog", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("catalog", "server", VERSION, args.platform.namespace)
        token = args.platform.credentials.get("catalog-token")
        values = {"token": token, "database-password": args.database.password, **args.store.secret_values()}
        secret = workloads.secret(SECRET, identity, values, child)
        network.allow_ingress("catalog", identity, {"http": PORT}, [network.Peer(CLIENTS)], child)
        server = workloads.deployment(
            "catalog",
            identity,
            server_container(args.platform.image("catalog"), args.database, args.store, args.settings.memory),
            pulumi.ResourceOptions(parent=self, depends_on=[secret, *args.database.ready, *args.store.ready]),
            service_account=workloads.service_account("catalog", identity, child),
            configuration=workloads.secrets_hash(values),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service("catalog", identity, PORT, after, port_name="http")
        self.connection = connections.Catalog(
            uri=f"http://catalog:{PORT}",
            warehouse=warehouse(args.store),
            authentication=connections.BearerToken(token),
            ready=(server, service),
        )
        self.register_outputs({})


def remote(
    configured: settings.Catalog,
    store: ObjectStore,
    token: pulumi.Output[str] | None,
    credential: pulumi.Output[str] | None,
) -> connections.Catalog:
    """Return the connection to the REST catalog at the settings' `uri`.

    token, credential: the stack's secrets. Raises pulumi.RunError when OAuth2 is set up and its credential is not.
    """
    if configured.uri is None:
        raise ValueError("the settings name no catalog")
    root = warehouse(store) if configured.warehouse is None else configured.warehouse
    authentication: connections.Authentication = None
    if configured.oauth2 is not None:
        if credential is None:
            raise pulumi.RunError(
                "headwater:catalog.oauth2 needs the client's id and secret: "
                f"`pulumi config set --secret {settings.CATALOG_CREDENTIAL} id:secret`"
            )
        authentication = connections.ClientCredentials(
            credential, configured.oauth2.server_uri, configured.oauth2.scope
        )
    elif configured.sigv4 is not None:
        authentication = connections.RequestSignature(store.region, configured.sigv4.service, store.role)
    elif token is not None:
        authentication = connections.BearerToken(token)
    return connections.Catalog(configured.uri, root, authentication)


def warehouse(store: ObjectStore) -> str:
    """Return the root of the lake's tables."""
    return f"s3://{store.bucket}/warehouse"


def server_container(image: pulumi.Input[str], database: Database, store: ObjectStore, memory: str) -> Container:
    """Return the server's container. CATALOG_* become Iceberg catalog properties: `__` is `-`, `_` is `.`."""
    environment: dict[str, pulumi.Input[str]] = {
        "CATALOG_URI": database.jdbc_uri(),
        "CATALOG_JDBC_USER": database.user,
        "CATALOG_WAREHOUSE": warehouse(store),
        "CATALOG_CLIENT_REGION": store.region,
        "AWS_REGION": store.region,
    }
    if store.endpoint is not None:
        environment["CATALOG_S3_ENDPOINT"] = store.endpoint
    if store.path_style:
        environment["CATALOG_S3_PATH__STYLE__ACCESS"] = "true"
    secret_environment = {
        "CATALOG_TOKEN": SecretKey(SECRET, "token"),
        "CATALOG_JDBC_PASSWORD": SecretKey(SECRET, "database-password"),
    }
    if store.credentials is not None:
        secret_environment["CATALOG_S3_ACCESS__KEY__ID"] = SecretKey(SECRET, "access-key")
        secret_environment["CATALOG_S3_SECRET__ACCESS__KEY"] = SecretKey(SECRET, "secret-key")
    return Container(
        name="catalog",
        image=image,
        resources=Resources("100m", "256Mi", memory),
        environment=environment,
        secret_environment=secret_environment,
        ports={"http": PORT},
        mounts=[pods.scratch("/tmp"), *authority_mounts(database)],  # noqa: S108 - the pod's own
        probes=Probes(ready=HttpCheck("/healthz", "http")),
    )
