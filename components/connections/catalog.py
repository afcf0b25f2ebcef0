"""The Iceberg catalog, as its consumers see it: a REST catalog with one of three ways to log in, or AWS Glue."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi

from components.connections.storage import S3Credentials, pyiceberg_variables


@dataclass(frozen=True)
class BearerToken:
    """A token that the catalog asks for, known beforehand."""

    token: pulumi.Output[str]


@dataclass(frozen=True)
class ClientCredentials:
    """OAuth2: `credential` (`id:secret`) is exchanged for tokens at `server_uri`."""

    credential: pulumi.Output[str]
    server_uri: str
    scope: str | None = None


@dataclass(frozen=True)
class RequestSignature:
    """AWS SigV4, with the store's keys or the workload's identity.

    role: ARN of the identity's role. Trino signs with fixed keys or with a role that it assumes, never with the
    identity of its pod itself.
    """

    region: str
    service: str
    role: str | None = None


@dataclass(frozen=True)
class Glue:
    """AWS Glue's own API in place of a REST catalog. account: whose catalog. endpoint: None is AWS's own.

    credentials: None is the workload's identity.
    """

    account: str
    region: str
    endpoint: str | None = None
    credentials: S3Credentials | None = None


Authentication = BearerToken | ClientCredentials | RequestSignature | None


@dataclass(frozen=True)
class Catalog:
    """An Iceberg catalog. uri: of a REST catalog, or Glue. warehouse: what the catalog calls the lake's root.

    authentication: of a REST catalog; None where it asks for nothing. loader: that of ingestion, where it is another.
    """

    uri: str | Glue
    warehouse: str
    authentication: Authentication = None
    ready: tuple[pulumi.Resource, ...] = ()
    loader: Authentication = None

    def for_loader(self) -> Catalog:
        """Return the catalog as ingestion sees it."""
        return self if self.loader is None else replace(self, authentication=self.loader)

    def trino_properties(self) -> dict[str, str]:
        """Return the catalog part of a Trino Iceberg catalog.

        Secrets come from variables: CATALOG_TOKEN, CATALOG_CREDENTIAL, and S3_ACCESS_KEY, S3_SECRET_KEY of the store.
        """
        if isinstance(self.uri, Glue):
            return _glue_properties(self.uri, self.warehouse)
        properties = {
            "connector.name": "iceberg",
            "iceberg.catalog.type": "rest",
            "iceberg.rest-catalog.uri": self.uri,
            "iceberg.rest-catalog.warehouse": self.warehouse,
            "iceberg.rest-catalog.view-endpoints-enabled": "true",
        }
        match self.authentication:
            case BearerToken():
                properties["iceberg.rest-catalog.security"] = "OAUTH2"
                properties["iceberg.rest-catalog.oauth2.token"] = "${ENV:CATALOG_TOKEN}"
            case ClientCredentials() as client:
                properties["iceberg.rest-catalog.security"] = "OAUTH2"
                properties["iceberg.rest-catalog.oauth2.credential"] = "${ENV:CATALOG_CREDENTIAL}"
                properties["iceberg.rest-catalog.oauth2.server-uri"] = client.server_uri
                if client.scope is not None:
                    properties["iceberg.rest-catalog.oauth2.scope"] = client.scope
            case RequestSignature() as signature:
                # Glue's and S3 Tables' REST endpoints have no views.
                properties["iceberg.rest-catalog.view-endpoints-enabled"] = "false"
                properties["iceberg.rest-catalog.sigv4-enabled"] = "true"
                properties["iceberg.rest-catalog.signing-name"] = signature.service
                if signature.role is not None:
                    properties["s3.iam-role"] = signature.role
        return properties

    def pyiceberg_environment(self) -> dict[str, str]:
        """Return pyiceberg's variables for the catalog `lake`; secrets come from `secret_environment`."""
        if isinstance(self.uri, Glue):
            environment = {"TYPE": "glue", "WAREHOUSE": self.warehouse, "GLUE__REGION": self.uri.region}
            environment["GLUE__ID"] = self.uri.account
            if self.uri.endpoint is not None:
                environment["GLUE__ENDPOINT"] = self.uri.endpoint
            return pyiceberg_variables(environment)
        environment = {"TYPE": "rest", "URI": self.uri, "WAREHOUSE": self.warehouse}
        match self.authentication:
            case ClientCredentials() as client:
                environment["OAUTH2_SERVER_URI"] = client.server_uri
                if client.scope is not None:
                    environment["SCOPE"] = client.scope
            case RequestSignature() as signature:
                environment["REST__SIGV4_ENABLED"] = "true"
                environment["REST__SIGNING_REGION"] = signature.region
                environment["REST__SIGNING_NAME"] = signature.service
        return pyiceberg_variables(environment)

    def secret_values(self) -> dict[str, pulumi.Output[str]]:
        """Return what a Kubernetes Secret of a consumer holds: catalog-token or catalog-credential, or nothing."""
        match self.authentication:
            case BearerToken(token):
                return {"catalog-token": token}
            case ClientCredentials(credential=credential):
                return {"catalog-credential": credential}
        return {}

    def secret_environment(self) -> dict[str, str]:
        """Return pyiceberg's variables that are secret: variable → key of the consumer's Secret.

        Glue's keys are those of the store, `access-key` and `secret-key`.
        """
        if isinstance(self.uri, Glue):
            keys = {"GLUE__ACCESS_KEY_ID": "access-key", "GLUE__SECRET_ACCESS_KEY": "secret-key"}
            return {} if self.uri.credentials is None else pyiceberg_variables(keys)
        match self.authentication:
            case BearerToken():
                return pyiceberg_variables({"TOKEN": "catalog-token"})
            case ClientCredentials():
                return pyiceberg_variables({"CREDENTIAL": "catalog-credential"})
        return {}


def _glue_properties(glue: Glue, warehouse: str) -> dict[str, str]:
    properties = {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "glue",
        "hive.metastore.glue.region": glue.region,
        "hive.metastore.glue.catalogid": glue.account,
        "hive.metastore.glue.default-warehouse-dir": warehouse,
        # Iceberg keeps its own history; an account may hold a million versions of tables in Glue.
        "hive.metastore.glue.skip-archive": "true",
    }
    if glue.endpoint is not None:
        properties["hive.metastore.glue.endpoint-url"] = glue.endpoint
    if glue.credentials is not None:
        properties["hive.metastore.glue.aws-access-key"] = "${ENV:S3_ACCESS_KEY}"
        properties["hive.metastore.glue.aws-secret-key"] = "${ENV:S3_SECRET_KEY}"
    return properties
