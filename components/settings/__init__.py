"""The stack's configuration, read and checked once; nothing else reads `pulumi.Config` or the environment."""

from components.settings.aws import Aws, Schedule
from components.settings.base import DnsLabel, Model, mebibytes, seconds
from components.settings.loading import (
    CATALOG_CREDENTIAL,
    CATALOG_TOKEN,
    ClientSecrets,
    available_builder,
    client_secrets,
    from_pulumi,
    load,
    parse,
    root_secret,
)
from components.settings.observability import Observability
from components.settings.roles import ECR, Catalog, Database, Exposure, Images, Kubernetes, NodePorts, Storage
from components.settings.services import Salesforce, Services, Stripe
from components.settings.serving import Oidc, Serving
from components.settings.sources import added_sources, source_passwords
from components.settings.stack import Settings
from components.settings.trino import TRINO_MINIMUM_MIB, Trino, TrinoWorkers
from components.settings.workloads import Dashboards, Example, Ingestion, Orchestration

__all__ = [
    "CATALOG_CREDENTIAL",
    "CATALOG_TOKEN",
    "ECR",
    "TRINO_MINIMUM_MIB",
    "Aws",
    "Catalog",
    "ClientSecrets",
    "Dashboards",
    "Database",
    "DnsLabel",
    "Example",
    "Exposure",
    "Images",
    "Ingestion",
    "Kubernetes",
    "Model",
    "NodePorts",
    "Observability",
    "Oidc",
    "Orchestration",
    "Salesforce",
    "Schedule",
    "Services",
    "Serving",
    "Settings",
    "Storage",
    "Stripe",
    "Trino",
    "TrinoWorkers",
    "added_sources",
    "available_builder",
    "client_secrets",
    "from_pulumi",
    "load",
    "mebibytes",
    "parse",
    "root_secret",
    "seconds",
    "source_passwords",
]
