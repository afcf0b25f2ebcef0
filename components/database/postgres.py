"""The platform's database: PostgreSQL in the cluster, one database and one role for each service."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import connections, settings
from components.connections import Exposure, Platform
from components.database import server
from components.database.services import SERVICES
from components.kubernetes import network

CLIENTS = ("postgres", "catalog", "dagster", "superset", "ingestion")


@dataclass(frozen=True)
class DatabaseArgs:
    """Where and how large."""

    platform: Platform
    settings: settings.Database


class Database(pulumi.ComponentResource):
    """The server with all databases and roles; `connection(service)` is what a service gets."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:database:Database", name, None, opts)
        self._passwords = {role: args.platform.credentials.get(f"postgres-{role}") for role in ("postgres", *SERVICES)}
        image = args.platform.image("postgres")
        made = server.Postgres(
            "postgres",
            server.PostgresArgs(
                namespace=args.platform.namespace,
                image=image,
                passwords=self._passwords,
                size=args.settings.size,
                server_size=args.platform.sizes.postgres,
                init_size=args.platform.sizes.postgres_init,
                exposure=Exposure("cluster_ip"),
                peers=[network.Peer(CLIENTS)],
                roles=SERVICES,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self._ready = made.ready
        self.register_outputs({})

    def connection(self, service: str) -> connections.Database:
        """Return the database of one of SERVICES; its name, its role and the service's name are the same."""
        return connections.Database(
            host="postgres", name=service, user=service, password=self._passwords[service], ready=self._ready
        )
