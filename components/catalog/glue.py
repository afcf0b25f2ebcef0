"""AWS Glue as the Iceberg catalog: one database for each layer of the lake."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import connections
from components.aws.account import Account, tags
from components.lake import LAYERS


@dataclass(frozen=True)
class GlueArgs:
    """warehouse: the root of the tables. ready: what must exist before a table is made there."""

    account: Account
    warehouse: str
    ready: tuple[pulumi.Resource, ...]


class Glue(pulumi.ComponentResource):
    """The databases; `connection` is what a client gets."""

    def __init__(self, name: str, args: GlueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:Glue", name, None, opts)
        account = args.account
        databases = [
            aws.glue.CatalogDatabase(
                f"glue-{layer}",
                name=layer,
                catalog_id=account.settings.account,
                description=f"Layer {layer} of the lake of {account.settings.prefix}",
                location_uri=f"{args.warehouse}/{layer}",
                tags=tags("catalog"),
                opts=account.child(self, *args.ready, holds_data=True),
            )
            for layer in LAYERS
        ]
        self.connection = connections.Catalog(
            connections.Glue(account.settings.account, account.region, account.settings.endpoint, account.credentials),
            args.warehouse,
            ready=tuple(databases),
        )
        self.register_outputs({})
