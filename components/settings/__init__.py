"""The stack's configuration, read and checked once; nothing else reads `pulumi.Config` or the environment."""

from components.settings.accounts import Salesforce, Services, Stripe
from components.settings.aws import Aws
from components.settings.base import DnsLabel, Model, mebibytes, seconds
from components.settings.catalog import Catalog
from components.settings.cluster import Exposure, Kubernetes, NodePorts
from components.settings.database import Database
from components.settings.encrypted import CATALOG_CREDENTIAL, CATALOG_TOKEN
from components.settings.images import ECR, Images
from components.settings.loading import (
    ClientSecrets,
    available_builder,
    client_secrets,
    from_pulumi,
    load,
    parse,
    root_secret,
)
from components.settings.observability import Observability
from components.settings.schedule import Schedule
from components.settings.serving import Oidc, Serving
from components.settings.sizes import Size, Sizes
from components.settings.sources import added_sources, source_passwords
from components.settings.stack import Settings
from components.settings.storage import Storage
from components.settings.trino import TRINO_MINIMUM_MIB, Trino, TrinoWorkers
from components.settings.workloads import Dashboards, Example, Ingestion

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
    "Salesforce",
    "Schedule",
    "Services",
    "Serving",
    "Settings",
    "Size",
    "Sizes",
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
