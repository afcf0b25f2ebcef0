"""All settings of a stack together, and which of them must not be combined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from components.settings.accounts import Services, service_contradictions
from components.settings.aws import Aws
from components.settings.base import Model
from components.settings.catalog import Catalog
from components.settings.cluster import Kubernetes
from components.settings.database import Database, database_contradictions
from components.settings.images import ECR, Images
from components.settings.networks import is_the_machine_itself
from components.settings.observability import Observability
from components.settings.placement import placement_contradictions
from components.settings.serving import Serving, serving_contradictions
from components.settings.sizes import Sizes
from components.settings.storage import Storage, bucket_contradictions
from components.settings.trino import Trino
from components.settings.workloads import Dashboards, Example, Ingestion


class Settings(Model):
    """Everything that `Pulumi.<stack>.yaml` may say, each section as `headwater:<section>`."""

    storage: Storage = Storage()
    catalog: Catalog = Catalog()
    database: Database = Database()
    kubernetes: Kubernetes = Kubernetes()
    images: Images = Images()
    aws: Aws | None = None
    trino: Trino = Trino()
    ingestion: Ingestion = Ingestion()
    dashboards: Dashboards = Dashboards()
    observability: Observability = Observability()
    serving: Serving = Serving()
    services: Services = Services()
    example: Example = Example()
    sizes: Sizes = Sizes()
    generations: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Credentials that were made anew, by name. Each is derived from the root secret with its number, "
        "which is 1 where none is here; a higher number makes a new one.",
    )

    @property
    def keeps_volumes(self) -> bool:
        """Whether volumes outlive `pulumi destroy`: on EKS as the settings say, elsewhere always."""
        return self.kubernetes.kind != "eks" or self.aws is None or self.aws.deletion_protection

    @property
    def unconnected(self) -> tuple[str, ...]:
        """Names of the sources that this stack does not read, as the folders of their contracts are called."""
        example = frozenset[str]() if self.example.enabled else frozenset({"shop"})
        return tuple(sorted(self.services.unconnected | example))


def contradictions(settings: Settings) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and explanation of each setting that another one rules out."""
    yield from _without_account(settings)
    yield from _storage_and_catalog(settings)
    yield from _ports(settings)
    yield from _cluster(settings)
    yield from _reached_from_nodes(settings)
    yield from _observability(settings)
    yield from _schedule(settings)
    yield from placement_contradictions(settings)
    place = None if settings.aws is None else (settings.aws.region, settings.aws.account)
    yield from serving_contradictions(settings.serving, settings.kubernetes.kind, settings.storage.kind, place)
    yield from service_contradictions(settings.services, example=settings.example.enabled)
    yield from database_contradictions(settings.database)
    if settings.aws is not None:
        ci = settings.aws.ci
        state = None if ci is None else ci.state_bucket
        yield from bucket_contradictions(settings.storage, settings.aws.name, settings.aws.account, state)


def _without_account(settings: Settings) -> Iterator[tuple[str, object, str]]:
    if settings.aws is not None:
        return
    chosen = {
        "storage.kind": (settings.storage.kind, "s3"),
        "catalog.kind": (settings.catalog.kind, "glue"),
        "database.kind": (settings.database.kind, "rds"),
        "kubernetes.kind": (settings.kubernetes.kind, "eks"),
        "images.registry": (settings.images.registry, ECR),
    }
    for path, (value, needs_account) in chosen.items():
        if value == needs_account:
            yield path, value, "it needs headwater:aws with account, region and tags"


def _storage_and_catalog(settings: Settings) -> Iterator[tuple[str, object, str]]:
    storage, catalog = settings.storage, settings.catalog
    if storage.kind == "s3":
        for name in sorted({"region", "size"} & storage.model_fields_set):
            yield f"storage.{name}", getattr(storage, name), "it is MinIO's; S3 has headwater:aws.region and no size"
        emulated = settings.aws is not None and settings.aws.endpoint is not None
        if settings.kubernetes.kind != "eks" and not emulated:
            yield (
                "storage.kind",
                "s3",
                "workloads reach S3 by EKS Pod Identity, so kubernetes.kind is 'eks', or headwater:aws.endpoint names "
                "an emulator",
            )
    if catalog.kind == "glue":
        if storage.kind != "s3":
            yield "catalog.kind", "glue", "Glue's databases are places in S3, and storage.kind is 'minio'"
        if catalog.uri is not None:
            yield "catalog.uri", catalog.uri, "kind 'glue' uses Glue's own API; Glue's REST endpoint is kind 'rest'"
    for name in ("oauth2", "sigv4", "warehouse"):
        if getattr(catalog, name) is not None and catalog.uri is None:
            yield (
                f"catalog.{name}",
                getattr(catalog, name),
                "it is for a REST catalog elsewhere; catalog.uri is not set",
            )
    if catalog.oauth2 is not None and catalog.sigv4 is not None:
        yield "catalog.sigv4", catalog.sigv4.service, "catalog.oauth2 is set too; a catalog asks for one of them"
    if catalog.sigv4 is not None and storage.kind != "s3":
        yield "catalog.sigv4", catalog.sigv4.service, "requests are signed with S3's identity; storage.kind is 'minio'"


def _ports(settings: Settings) -> Iterator[tuple[str, object, str]]:
    exposure = settings.kubernetes.exposure
    taken: dict[int, str] = {}
    for service, port in exposure.ports.assigned().items():
        path = f"kubernetes.exposure.ports.{service}"
        if exposure.kind == "cluster_ip":
            yield path, port, "nothing opens it: kubernetes.exposure.kind is 'cluster_ip'"
        elif port in taken:
            yield path, port, f"{taken[port]} has it already"
        taken.setdefault(port, service)


def _cluster(settings: Settings) -> Iterator[tuple[str, object, str]]:
    cluster = settings.kubernetes
    if cluster.kind == "eks":
        for name in ("context", "kubeconfig"):
            if getattr(cluster, name) is not None:
                yield f"kubernetes.{name}", getattr(cluster, name), "EKS has a kubeconfig of its own"
        if cluster.exposure.kind == "node_port":
            yield "kubernetes.exposure.kind", "node_port", "EKS's nodes have private addresses only; use 'cluster_ip'"
        if settings.aws is not None and not {*settings.aws.cluster.public_access, *settings.aws.cluster.private_access}:
            yield (
                "aws.cluster.public_access",
                [],
                "nobody could reach the cluster's API, Pulumi included: name networks here, or in "
                "aws.cluster.private_access those of a VPN, a peered VPC or a runner in this one",
            )
        if settings.aws is not None and settings.aws.endpoint is not None:
            yield "kubernetes.kind", "eks", "an emulator runs no pods; headwater:aws.endpoint goes with 'kubeconfig'"
    elif settings.database.kind == "rds":
        yield "database.kind", "rds", "RDS is reached from the VPC's nodes only, so kubernetes.kind is 'eks'"
    if settings.images.registry == ECR and settings.images.builder == "buildah":
        yield "images.builder", "buildah", "it does not log in to registries; images.registry 'ecr' needs 'docker'"
    if settings.images.builder == "buildah" and settings.images.platforms != ["linux/amd64"]:
        yield "images.platforms", settings.images.platforms, "builder 'buildah' builds for its own machine only"
    if settings.images.builder == "buildah" and settings.images.mirror:
        yield "images.mirror", True, "mirroring needs images.builder 'docker'"
    nodes = set() if settings.aws is None else set(settings.aws.cluster.nodes.architectures)
    missing = {f"linux/{architecture}" for architecture in nodes} - set(settings.images.platforms)
    if cluster.kind == "eks" and missing:
        yield "images.platforms", settings.images.platforms, f"aws.cluster.nodes may start {', '.join(sorted(missing))}"


def _reached_from_nodes(settings: Settings) -> Iterator[tuple[str, object, str]]:
    if settings.kubernetes.kind != "eks":
        return
    registry, catalog = settings.images.registry, settings.catalog
    if registry != ECR and is_the_machine_itself(registry):
        why = "that is each node itself, which has no registry: use 'ecr', or the host of one that EKS's nodes reach"
        yield "images.registry", registry, why
    tokens = None if catalog.oauth2 is None else catalog.oauth2.server_uri
    addresses = {"catalog.uri": catalog.uri, "catalog.oauth2.server_uri": tokens}
    for path, address in addresses.items():
        if address is not None and is_the_machine_itself(address):
            yield path, address, "that is each pod itself: name a host that pods on EKS reach"


def _observability(settings: Settings) -> Iterator[tuple[str, object, str]]:
    watched, database = settings.observability, settings.database
    if watched.kind == "none":
        return
    if settings.kubernetes.kind != "eks":
        yield (
            "observability.kind",
            watched.kind,
            "pods reach CloudWatch by EKS Pod Identity; kubernetes.kind is not 'eks'",
        )
    if database.kind != "rds":
        for name in sorted({"free_storage_percent", "database_connections"} & watched.model_fields_set):
            yield f"observability.{name}", getattr(watched, name), "it is RDS's; database.kind is 'in-cluster'"
    elif watched.database_connections is None and database.most_connections is None:
        yield (
            "observability.database_connections",
            None,
            f"nobody wrote down how many connections {database.instance_class} allows; give the number to alarm at",
        )


def _schedule(settings: Settings) -> Iterator[tuple[str, object, str]]:
    if settings.aws is None or settings.aws.schedule is None:
        return
    asleep = f"{settings.aws.schedule.sleep} to {settings.aws.schedule.wake}"
    if settings.kubernetes.kind != "eks":
        yield "aws.schedule", asleep, "what sleeps runs on EKS, and kubernetes.kind is 'kubeconfig'"
    if settings.aws.deletion_protection:
        yield (
            "aws.schedule",
            asleep,
            "aws.deletion_protection says that this is production; a database that is stopped has no backups",
        )
    if settings.database.multi_az:
        yield "aws.schedule", asleep, "database.multi_az pays for a database that never stops"
