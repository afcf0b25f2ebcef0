"""What components pass to one another: small frozen types that can render themselves for each client."""

from components.connections.catalog import (
    Authentication,
    BearerToken,
    Catalog,
    ClientCredentials,
    Glue,
    RequestSignature,
)
from components.connections.database import (
    DATABASE_AUTHORITIES,
    DATABASE_TRUST,
    TRINO_CERTIFICATE,
    TRINO_TRUST,
    Database,
    QueryEngine,
    SslMode,
    shop_environment,
)
from components.connections.login import Login
from components.connections.platform import Balancer, Exposure, Metrics, Placement, Platform, Registry
from components.connections.services import WebService
from components.connections.storage import ObjectStore, S3Credentials

__all__ = [
    "DATABASE_AUTHORITIES",
    "DATABASE_TRUST",
    "TRINO_CERTIFICATE",
    "TRINO_TRUST",
    "Authentication",
    "Balancer",
    "BearerToken",
    "Catalog",
    "ClientCredentials",
    "Database",
    "Exposure",
    "Glue",
    "Login",
    "Metrics",
    "ObjectStore",
    "Placement",
    "Platform",
    "QueryEngine",
    "Registry",
    "RequestSignature",
    "S3Credentials",
    "SslMode",
    "WebService",
    "shop_environment",
]
