"""Headwater: which parts the platform has on this stack, and how they are connected."""

import pulumi

from components import ports, settings
from components.dashboards.superset import Dashboards, DashboardsArgs, login
from components.example.company import example_company
from components.foundation import make_foundation
from components.foundation.one_machine import Pages
from components.ingestion.accounts import accounts
from components.ingestion.meltano import Ingestion, IngestionArgs
from components.orchestration.dagster import Orchestration, OrchestrationArgs
from components.secrets import Credentials
from components.trino.engine import Trino, TrinoArgs

config = pulumi.Config()
stack = settings.from_pulumi()
credentials = Credentials(settings.root_secret(config), stack.generations)
client_secrets = settings.client_secrets(config, stack.serving)

# What the stack stands on: cluster, images, database, object store and catalog, on one machine or on AWS.
foundation = make_foundation(stack, credentials, config)
platform, in_cluster = foundation.platform, foundation.in_cluster
catalog, database, storage = foundation.catalog, foundation.database, foundation.storage

# What the platform reads: the example company's systems, and the accounts that the stack names.
company = example_company(stack, platform, in_cluster)
services = (*company.services, *accounts(config, stack.services))

# The pipeline, from the source to the dashboard. A consumer gets a connection, never the component behind it.
engine = Trino("trino", TrinoArgs(platform, stack.trino, catalog, storage.store("trino")), in_cluster).connection
Ingestion(
    "ingestion",
    IngestionArgs(
        platform,
        stack.ingestion,
        source=company.source,
        state=database.connection("meltano"),
        catalog=catalog.for_loader(),
        store=storage.store("ingestion"),
        services=services,
    ),
    in_cluster,
)
orchestration = Orchestration(
    "orchestration",
    OrchestrationArgs(
        platform,
        database=database.connection("dagster"),
        engine=engine,
        source=company.source,
        unconnected=stack.unconnected,
        metrics=foundation.metrics,
    ),
    in_cluster,
)
superset_login = login(stack.serving, client_secrets)
dashboards = Dashboards(
    "dashboards",
    DashboardsArgs(platform, stack.dashboards, database.connection("superset"), engine, superset_login),
    in_cluster,
)

# Last, because it is about all of the above: on AWS a load balancer in front of the pages, and sleep by night.
outputs = foundation.finish(Pages(dashboards.ready, orchestration.ready, client_secrets))

namespace, url = stack.kubernetes.namespace, platform.exposure.url
pulumi.export("namespace", namespace)
pulumi.export("dashboard", url("superset", namespace, ports.SUPERSET))
pulumi.export("dagster", url("dagster", namespace, ports.DAGSTER))
pulumi.export("trino", url("trino", namespace, engine.port, engine.scheme))
if engine.passwords:
    pulumi.export("trino_passwords", engine.passwords)
if superset_login is None:
    pulumi.export("superset_passwords", dashboards.passwords)
for name, value in outputs.items():
    pulumi.export(name, value)
