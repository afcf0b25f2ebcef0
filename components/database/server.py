"""A PostgreSQL server as StatefulSet: the platform's database and the example's shop are both one of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components import ports
from components.connections import Exposure
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container
from components.kubernetes.probes import CommandCheck, Probes
from components.settings import Size

PORT = ports.POSTGRES
VERSION = "15"
SECRETS = "/run/secrets/postgres"
DATA = "/var/lib/postgresql"
RUN = "/run/postgresql"


@dataclass(frozen=True)
class PostgresArgs:
    """One server. passwords: role → password, all in the server's Secret. peers: who may connect.

    roles: arguments of the image's `postgres-init`: `role[:database]` an owner, `--reader role:database` a reader.
    """

    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    passwords: Mapping[str, pulumi.Output[str]]
    size: str
    server_size: Size
    init_size: Size
    exposure: Exposure
    peers: Sequence[network.Peer]
    roles: Sequence[str]
    workload: str = "postgres"


class Postgres(pulumi.ComponentResource):
    """The server, its Service and Secret, and the Job that makes roles and databases.

    `ready` is what a client waits for, `account` the service account, `secret_name` the Secret of all passwords.
    """

    def __init__(self, name: str, args: PostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:database:Postgres", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity(args.workload, "server", VERSION, args.namespace)
        self.secret_name = f"{args.workload}-credentials"
        secret = workloads.secret(self.secret_name, identity, args.passwords, child)
        self.account = workloads.service_account(args.workload, identity, child)
        network.allow_ingress(
            args.workload,
            identity,
            {"postgres": PORT},
            args.peers,
            child,
            exposed=args.exposure.node_port(args.workload) is not None,
        )
        server = workloads.stateful_set(
            args.workload,
            identity,
            server_container(args.image, args.server_size, self.secret_name),
            workloads.Volume(args.size),
            pulumi.ResourceOptions(parent=self, depends_on=[secret]),
            service_account=self.account,
            configuration=workloads.secrets_hash({"postgres": args.passwords["postgres"]}),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service(args.workload, identity, PORT, after, port_name="postgres", exposure=args.exposure)
        initialised = workloads.job(
            f"{args.workload}-init",
            Identity(args.workload, "init", VERSION, args.namespace),
            init_container(
                args.image,
                args.init_size,
                self.secret_name,
                args.workload,
                roles=args.roles,
                passwords=list(args.passwords),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[server, service]),
            service_account=self.account,
            configuration=workloads.secrets_hash(args.passwords),
        )
        self.ready: tuple[pulumi.Resource, ...] = (server, service, initialised)
        self.register_outputs({})


def server_container(image: pulumi.Input[str], size: Size, secret: str) -> Container:
    """Return the server's container."""
    return Container(
        name="postgres",
        image=image,
        size=size,
        ports={"postgres": PORT},
        mounts=[
            pods.claim(DATA),
            pods.scratch(RUN, "run", "16Mi"),
            pods.tmp(),
            pods.secret_files(SECRETS, secret, ["postgres"]),
        ],
        probes=Probes(ready=CommandCheck(("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(PORT)))),
    )


def init_container(
    image: pulumi.Input[str],
    size: Size,
    secret: str,
    host: str,
    *,
    roles: Sequence[str],
    passwords: Sequence[str],
) -> Container:
    """Return the container that makes or corrects roles, databases and passwords. Safe to repeat."""
    return Container(
        name="init",
        image=image,
        size=size,
        command=["postgres-init"],
        args=roles,
        environment={"PGHOST": host, "PGPORT": str(PORT)},
        mounts=[pods.tmp(), pods.secret_files(SECRETS, secret, passwords)],
    )
