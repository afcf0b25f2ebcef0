"""Superset's cache: a Redis for data that may be lost, and the connection to it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import ports
from components.connections import Platform
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container
from components.kubernetes.probes import Probes, TcpCheck
from components.settings import Size, mebibytes

HOST = "cache"
PORT = ports.CACHE
VERSION = "7.0"
SECRET = "cache-credentials"  # noqa: S105 - the object's name
SECRETS = "/run/secrets/cache"
# Superset unpickles what it finds there: whoever could write to it could run code as Superset.
CLIENTS = ("superset",)
# Part of the container's memory that answers may take; connections and fragmentation take the rest.
SHARE = 0.75


@dataclass(frozen=True)
class CacheArgs:
    """platform: its size too."""

    platform: Platform


class Cache(pulumi.ComponentResource):
    """The server; `password` is that of its clients, `ready` what must be there before they start."""

    def __init__(self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:serving:Cache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("cache", "server", VERSION, args.platform.namespace)
        self.password = args.platform.credentials.get("superset-cache")
        values = {"password": self.password}
        secret = workloads.secret(SECRET, identity, values, child)
        network.allow_ingress("cache", identity, {"redis": PORT}, [network.Peer(CLIENTS)], child)
        server = workloads.deployment(
            "cache",
            identity,
            server_container(args.platform.image("cache"), args.platform.sizes.cache),
            pulumi.ResourceOptions(parent=self, depends_on=[secret]),
            service_account=workloads.service_account("cache", identity, child),
            configuration=workloads.secrets_hash(values),
            # Two would each know half of the queue.
            recreate=True,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service(HOST, identity, PORT, after, port_name="redis")
        self.ready: tuple[pulumi.Resource, ...] = (server, service)
        self.register_outputs({})


def server_container(image: pulumi.Input[str], size: Size) -> Container:
    """Return the server's container."""
    return Container(
        name="cache",
        image=image,
        size=size,
        environment={"CACHE_MEMORY": f"{int(mebibytes(size.memory_limit) * SHARE)}mb"},
        ports={"redis": PORT},
        mounts=[pods.tmp(), pods.secret_files(SECRETS, SECRET, ["password"])],
        probes=Probes(ready=TcpCheck("redis")),
    )
