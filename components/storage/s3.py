"""Amazon S3 as the object store: the lake's bucket, one for artefacts, one for access logs, and who may use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components import settings
from components.aws import policies
from components.aws.account import Account
from components.aws.bucket import Bucket, BucketArgs
from components.aws.identity import WorkloadRole, WorkloadRoleArgs
from components.connections import ObjectStore
from components.lake import BUILT, CONSUMERS, EXCHANGE, FILES, INGESTED, WAREHOUSE, warehouse

# A query's intermediate results; Trino removes them, unless it was killed.
EXCHANGE_DAYS = 1


@dataclass(frozen=True)
class Pods:
    """Where workloads run: the cluster that knows identities, and the platform's namespace."""

    cluster: pulumi.Input[str]
    namespace: str


@dataclass(frozen=True)
class StorageArgs:
    """key: what encrypts lake and artefacts. pods: None on an emulator, where every workload has the account's keys.

    catalog: which one decides what the consumers may ask of AWS beside objects. balancer_logs: the prefix of a load
    balancer's access logs; None where there is none.
    """

    account: Account
    catalog: settings.Catalog
    key: pulumi.Input[str]
    pods: Pods | None
    settings: settings.Storage
    balancer_logs: str | None = None


class S3Storage(pulumi.ComponentResource):
    """The buckets and the identities of their consumers; `store(consumer)` is what a consumer gets."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:Storage", name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        account = args.account
        logs_bucket = account.bucket("access-logs")
        writers = [policies.access_log_delivery(logs_bucket, account.settings.account)]
        if args.balancer_logs is not None:
            number = account.settings.account
            writers.append(policies.load_balancer_log_delivery(logs_bucket, args.balancer_logs, number))
        self.logs = logs = Bucket(
            "access-logs",
            BucketArgs(
                account,
                logs_bucket,
                key=None,
                statements=writers,
                expiry=(("", account.settings.retention.log_days),),
            ),
            self._child,
        )
        self._lake = Bucket(
            "lake", BucketArgs(account, args.settings.lake_bucket, args.key, logs=logs, tiering=True), self._child
        )
        artefacts = account.bucket("artefacts")
        self._artefacts = Bucket(
            "artefacts",
            BucketArgs(account, artefacts, args.key, logs=logs, expiry=((f"{EXCHANGE}/", EXCHANGE_DAYS),)),
            self._child,
        )
        self._names = {"lake": args.settings.lake_bucket, "artefacts": artefacts}
        self._roles: dict[str, WorkloadRole] = {}
        self.register_outputs({})

    @property
    def made(self) -> tuple[pulumi.Resource, ...]:
        """What must exist before anything is put into the lake."""
        return self._lake.ready

    @property
    def root(self) -> str:
        """The root of the lake's tables."""
        return warehouse(self._args.settings.lake_bucket)

    def store(self, consumer: str) -> ObjectStore:
        """Return the lake as one of CONSUMERS may use it; the first call makes its identity."""
        if consumer not in CONSUMERS:
            raise ValueError(f"the object store has no consumer '{consumer}'; it has {', '.join(CONSUMERS)}")
        account, bucket, scratch = self._args.account, self._args.settings.lake_bucket, self._names["artefacts"]
        ready = (*self._lake.ready, *self._artefacts.ready)
        if self._args.pods is None:
            endpoint, keys = account.settings.endpoint, account.credentials
            return ObjectStore(bucket, account.region, endpoint, True, keys, ready=ready, scratch=scratch)
        if consumer not in self._roles:
            self._roles[consumer] = self._role(consumer, self._args.pods)
        role = self._roles[consumer]
        return ObjectStore(bucket, account.region, role=role.arn, ready=(*ready, *role.ready), scratch=scratch)

    def _role(self, consumer: str, pods: Pods) -> WorkloadRole:
        account, lake = self._args.account, self._names
        signs = self._args.catalog.sigv4 is not None and consumer == "trino"
        itself = [account.arn("iam", f"role/{account.name(consumer)}")] if signs else []
        policy = pulumi.Output.from_input(self._args.key).apply(
            lambda key: policies.document(
                [
                    *statements(consumer, lake, key),
                    *catalog_statements(consumer, self._args.catalog, account.settings.account, account.region),
                    *(policies.allow("AssumeItself", ["sts:AssumeRole", "sts:TagSession"], [arn]) for arn in itself),
                ]
            )
        )
        args = WorkloadRoleArgs(account, pods.cluster, pods.namespace, consumer, policy, assumes_itself=signs)
        return WorkloadRole(consumer, args, self._child)


def statements(consumer: str, buckets: Mapping[str, str], key: str) -> list[policies.Statement]:
    """Return what one of CONSUMERS may do with the buckets `lake` and `artefacts`.

    ingestion writes `raw`; Trino reads all and writes what dbt builds; the catalog server reads, and writes metadata.
    """
    lake = buckets["lake"]
    layers = {name: f"{WAREHOUSE}/{name}/" for name in (*INGESTED, *BUILT)}
    match consumer:
        case "ingestion":
            return policies.bucket_access(lake, key, reads=[FILES], writes=[layers[name] for name in INGESTED])
        case "trino":
            everything = [f"{WAREHOUSE}/"]
            return [
                *policies.bucket_access(lake, key, reads=everything, writes=[layers[name] for name in BUILT]),
                *policies.bucket_access(buckets["artefacts"], key, writes=[f"{EXCHANGE}/"], sid="Exchange"),
            ]
        case "catalog":
            metadata = [f"{WAREHOUSE}/*/metadata/"]
            return policies.bucket_access(lake, key, reads=[f"{WAREHOUSE}/"], writes=metadata)
    raise ValueError(f"no policy for consumer '{consumer}' of the object store")


def catalog_statements(consumer: str, catalog: settings.Catalog, account: str, region: str) -> list[policies.Statement]:
    """Return what a consumer may ask of a catalog that knows AWS identities: Glue, or S3 Tables by their ARN."""
    writes = INGESTED if consumer == "ingestion" else BUILT
    reads = () if consumer == "ingestion" else INGESTED
    if catalog.sigv4 is not None and catalog.sigv4.service == "s3tables" and catalog.warehouse is not None:
        return policies.s3_tables_access(catalog.warehouse, writes=writes)
    if catalog.kind == "glue" or (catalog.sigv4 is not None and catalog.sigv4.service == "glue"):
        # pyiceberg asks for the namespace to be made before it makes a table in it.
        creates = INGESTED if consumer == "ingestion" else ()
        return policies.glue_access(account, region, reads=reads, writes=writes, creates=creates)
    return []
