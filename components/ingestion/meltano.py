"""Ingestion: a suspended CronJob that holds the pod of one run; Dagster makes its Jobs from it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import settings
from components.connections import Catalog, Database, ObjectStore, Platform, WebService, shop_environment
from components.kubernetes import pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, SecretKey
from components.kubernetes.trust import authority_mounts

VERSION = "4.4.1"
SECRET = "ingestion-credentials"  # noqa: S105 - the object's name
# Kept for a day, so that a failed run's log can still be read.
KEEP_SECONDS = 24 * 3600
LONGEST_RUN_SECONDS = 6 * 3600


@dataclass(frozen=True)
class IngestionArgs:
    """source: the database it replicates; services: what it reads over the web. state: where bookmarks are kept."""

    platform: Platform
    settings: settings.Ingestion
    source: Database | None
    state: Database
    catalog: Catalog
    store: ObjectStore
    services: tuple[WebService, ...] = ()


class Ingestion(pulumi.ComponentResource):
    """The template of an ingestion run: CronJob `ingestion`, which never runs by itself."""

    def __init__(self, name: str, args: IngestionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:ingestion:Ingestion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("ingestion", "run", VERSION, args.platform.namespace)
        values = {
            "meltano-database-uri": args.state.uri(),
            **args.catalog.secret_values(),
            **args.store.secret_values(),
        }
        if args.source is not None:
            values["shop-password"] = args.source.password
        for service in args.services:
            values |= service.secret_values()
        secret = workloads.secret(SECRET, identity, values, child)
        workloads.cron_job(
            "ingestion",
            identity,
            run_container(args),
            pulumi.ResourceOptions(parent=self, depends_on=[secret, *args.catalog.ready, *args.store.ready]),
            service_account=workloads.service_account("ingestion", identity, child),
            # Who starts a run decides about another try.
            retries=0,
            longest_seconds=LONGEST_RUN_SECONDS,
            keep_seconds=KEEP_SECONDS,
            placement=args.platform.interruptible,
        )
        self.register_outputs({})


def run_container(args: IngestionArgs) -> Container:
    """Return the container of one ingestion run."""
    secrets = {"MELTANO_DATABASE_URI": SecretKey(SECRET, "meltano-database-uri")}
    if args.source is not None:
        secrets["SHOP_PASSWORD"] = SecretKey(SECRET, "shop-password")
    lake = {**args.catalog.secret_environment(), **args.store.secret_environment()}
    for service in args.services:
        lake |= service.secret_environment()
    secrets |= {variable: SecretKey(SECRET, key) for variable, key in lake.items()}
    return Container(
        name="ingestion",
        image=args.platform.image("ingestion"),
        size=args.platform.sizes.ingestion,
        environment={
            # Dagster reads it in the template that it makes the Jobs of.
            "HEADWATER_LOADS_AT_ONCE": str(args.settings.loads_at_once),
            "HEADWATER_READER_PODS": str(args.settings.reader_pods),
            **shop_environment(args.source),
            **{variable: value for service in args.services for variable, value in service.environment.items()},
            **args.catalog.pyiceberg_environment(),
            **args.store.pyiceberg_environment(),
        },
        secret_environment=secrets,
        mounts=[pods.tmp("10Gi"), *authority_mounts(args.state)],
    )
