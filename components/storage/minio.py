"""The object store: MinIO in the cluster, its bucket, and one user for each consumer."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import lake, ports, settings
from components.connections import ObjectStore, Platform, S3Credentials
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container
from components.kubernetes.probes import HttpCheck, Probes
from components.secrets import Credentials
from components.settings import Size

PORT = ports.OBJECT_STORE
VERSION = "2026-02-12"
SECRET = "minio-credentials"  # noqa: S105 - the object's name
SECRETS = "/run/secrets/minio"


@dataclass(frozen=True)
class StorageArgs:
    """Where, how large, and the bucket it makes."""

    platform: Platform
    settings: settings.Storage


class Minio(pulumi.ComponentResource):
    """The server and the Job that makes bucket, users and policies; `store(consumer)` is what a consumer gets."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:storage:Minio", name, None, opts)
        self._args = args
        namespace, credentials = args.platform.namespace, args.platform.credentials
        size, bucket, region = args.settings.size, args.settings.lake_bucket, args.settings.region
        sizes = args.platform.sizes
        image = args.platform.image("minio")
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("minio", "server", VERSION, namespace)
        root = {half: credentials.get(f"minio-{half}") for half in ("root-user", "root-password")}
        values = dict(root)
        for consumer in lake.CONSUMERS:
            values |= {f"{consumer}-{key}": value for key, value in _keys(credentials, consumer).items()}
        secret = workloads.secret(SECRET, identity, values, child)
        account = workloads.service_account("minio", identity, child)
        network.allow_ingress("minio", identity, {"s3": PORT}, [network.Peer(("minio", *lake.CONSUMERS))], child)
        server = workloads.stateful_set(
            "minio",
            identity,
            server_container(image, sizes.minio, region),
            workloads.Volume(size),
            pulumi.ResourceOptions(parent=self, depends_on=[secret]),
            service_account=account,
            configuration=workloads.secrets_hash(root),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service("minio", identity, PORT, after, port_name="s3")
        initialised = workloads.job(
            "minio-init",
            Identity("minio", "init", VERSION, namespace),
            init_container(image, sizes.minio_init, bucket, region, sorted(values)),
            pulumi.ResourceOptions(parent=self, depends_on=[server, service]),
            service_account=account,
            configuration=workloads.secrets_hash(values),
        )
        self._ready = (server, service, initialised)
        self.register_outputs({})

    def store(self, consumer: str) -> ObjectStore:
        """Return the bucket with the keys of one of the lake's consumers."""
        keys = _keys(self._args.platform.credentials, consumer)
        return ObjectStore(
            bucket=self._args.settings.lake_bucket,
            region=self._args.settings.region,
            endpoint=f"http://minio:{PORT}",
            path_style=True,
            credentials=S3Credentials(keys["access-key"], keys["secret-key"]),
            ready=self._ready,
        )


def _keys(credentials: Credentials, consumer: str) -> dict[str, pulumi.Output[str]]:
    if consumer not in lake.CONSUMERS:
        raise ValueError(f"the object store has no user '{consumer}'; it has {', '.join(lake.CONSUMERS)}")
    return {half: credentials.get(f"minio-{consumer}-{half}") for half in ("access-key", "secret-key")}


def server_container(image: pulumi.Input[str], size: Size, region: str) -> Container:
    """Return the server's container."""
    return Container(
        name="minio",
        image=image,
        size=size,
        environment={"MINIO_REGION": region},
        ports={"s3": PORT},
        mounts=[
            pods.claim("/data"),
            pods.tmp(),
            pods.secret_files(SECRETS, SECRET, ["root-user", "root-password"]),
        ],
        probes=Probes(ready=HttpCheck("/minio/health/ready", "s3"), alive=HttpCheck("/minio/health/live", "s3")),
    )


def init_container(image: pulumi.Input[str], size: Size, bucket: str, region: str, keys: list[str]) -> Container:
    """Return the container that makes the bucket, the users and their policies. Safe to repeat."""
    return Container(
        name="init",
        image=image,
        size=size,
        command=["minio-init"],
        environment={"MINIO_ENDPOINT": f"http://minio:{PORT}", "MINIO_REGION": region, "MINIO_BUCKET": bucket},
        mounts=[pods.tmp(), pods.secret_files(SECRETS, SECRET, keys)],
    )
