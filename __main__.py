"""Headwater: which parts the platform has on this stack, and how they are wired."""

import pulumi
import pulumi_kubernetes as k8s

from components import connections, settings
from components.accounts import accounts
from components.catalog import CatalogArgs, RestCatalog, remote
from components.dashboards import Dashboards, DashboardsArgs, login
from components.database import Database, DatabaseArgs
from components.images import PREFIX, Images, ImagesArgs
from components.ingestion import Ingestion, IngestionArgs
from components.kubernetes.network import namespace
from components.orchestration import Orchestration, OrchestrationArgs
from components.petco import Petco, PetcoArgs
from components.secrets import Credentials
from components.storage import Minio, StorageArgs
from components.trino import Trino, TrinoArgs

config = pulumi.Config()
stack = settings.from_pulumi()
credentials = Credentials(settings.root_secret(config), stack.generations)
if stack.aws is not None:
    # Imported here: a stack without AWS needs neither its SDK nor its plugin.
    from components.aws.cloud import Cloud

    cloud = Cloud(stack, credentials)

if stack.kubernetes.kind == "eks":
    inside = pulumi.ResourceOptions(
        provider=cloud.kubernetes, depends_on=cloud.ready, transformations=cloud.transformations
    )
else:
    cluster = k8s.Provider(
        "cluster",
        context=stack.kubernetes.context,
        kubeconfig=stack.kubernetes.kubeconfig,
        # Changed in place: pods roll by their configuration hash, and at no moment is there no ConfigMap.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    inside = pulumi.ResourceOptions(provider=cluster)
outside, balancer = stack.kubernetes.exposure, cloud.balancer if stack.aws is not None else None
on_ecr = stack.images.registry == settings.ECR
registry = cloud.registry if on_ecr else connections.Registry(stack.images.registry, PREFIX)
platform = connections.Platform(
    namespace=namespace(stack.kubernetes.namespace, inside),
    image=Images("images", ImagesArgs(registry, stack.images)).reference,
    credentials=credentials,
    exposure=connections.Exposure(outside.kind, outside.ports.assigned(), balancer=balancer),
    interruptible=cloud.interruptible if stack.kubernetes.kind == "eks" else None,
)

# The roles that the rest stands on. A consumer gets the connection, never the component.
on_rds, on_s3 = stack.database.kind == "rds", stack.storage.kind == "s3"
database = cloud.database(platform) if on_rds else Database("database", DatabaseArgs(platform, stack.database), inside)
storage = cloud.storage(platform) if on_s3 else Minio("storage", StorageArgs(platform, stack.storage), inside)
if stack.catalog.kind == "glue":
    catalog = cloud.glue()
elif stack.catalog.uri is None:
    parts = CatalogArgs(platform, stack.catalog, database.connection("catalog"), storage.store("catalog"))
    catalog = RestCatalog("catalog", parts, inside).connection
else:
    token, client = (config.get_secret(name) for name in (settings.CATALOG_TOKEN, settings.CATALOG_CREDENTIAL))
    catalog = remote(stack.catalog, storage.store("trino"), token, client)

# The example company: source systems that the platform reads and does not own.
source: connections.Database | None = None
services = accounts(config, stack.services)
if stack.example.enabled:
    company = namespace(stack.example.namespace, inside)
    example = Petco("petco", PetcoArgs(platform, stack.example, company, stack.services.stand_ins), inside)
    source, services = example.source, (*example.services, *services)

# The pipeline, from the source to the dashboard.
engine = Trino("trino", TrinoArgs(platform, stack.trino, catalog, storage.store("trino")), inside).connection
state = database.connection("meltano")
moved = IngestionArgs(platform, stack.ingestion, source, state, catalog, storage.store("ingestion"), services)
Ingestion("ingestion", moved, inside)
runs, metrics = database.connection("dagster"), cloud.metrics(platform) if stack.kubernetes.kind == "eks" else None
jobs = OrchestrationArgs(platform, stack.orchestration, runs, engine, source, stack.unconnected, metrics)
orchestration = Orchestration("orchestration", jobs, inside)
clients = settings.client_secrets(config, stack.serving)
metadata, asked_at = database.connection("superset"), login(stack.serving, clients)
charts = DashboardsArgs(platform, stack.dashboards, metadata, engine, asked_at)
dashboards = Dashboards("dashboards", charts, inside)
if stack.kubernetes.kind == "eks":
    cloud.sleep(platform, inside)
if clients is not None:
    cloud.serve(platform, clients.dagster, dashboards.ready, orchestration.ready)

pulumi.export("namespace", stack.kubernetes.namespace)
pulumi.export("dashboard", platform.exposure.url("superset", stack.kubernetes.namespace, 8088))
pulumi.export("dagster", platform.exposure.url("dagster", stack.kubernetes.namespace, 3000))
pulumi.export("trino", platform.exposure.url("trino", stack.kubernetes.namespace, engine.port, engine.scheme))
if engine.passwords:
    pulumi.export("trino_passwords", engine.passwords)
if asked_at is None:
    pulumi.export("superset_passwords", dashboards.passwords)
