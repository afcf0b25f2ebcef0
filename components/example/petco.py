"""The example company's source systems, in their own namespace: a shop that makes sales, and services that it uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components import connections, ports, settings
from components.connections import Platform
from components.database.server import Postgres, PostgresArgs
from components.example.saas import NAME as SAAS
from components.example.saas import Saas, SaasArgs
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, SecretKey
from components.settings import Size

VERSION = "1"
ROLES = ("postgres", "shop", "headwater_reader")
READER = "headwater_reader"
CLIENTS = ("ingestion", "dagster")


@dataclass(frozen=True)
class PetcoArgs:
    """platform: who reads the shop. namespace: the shop's own, once it exists. stand_ins: services to be played."""

    platform: Platform
    settings: settings.Example
    namespace: pulumi.Input[str]
    stand_ins: frozenset[str]


class Petco(pulumi.ComponentResource):
    """The shop, and the services it uses; `source` and `services` are what the platform may read of them."""

    def __init__(self, name: str, args: PetcoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:example:Petco", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        generator_image = args.platform.image("sources")
        passwords = {role: args.platform.credentials.get(f"shop-{role}") for role in ROLES}
        readers = ("shop", SAAS) if args.stand_ins else ("shop",)
        shop = Postgres(
            "shop",
            PostgresArgs(
                namespace=args.namespace,
                image=args.platform.image("postgres"),
                passwords=passwords,
                size=args.settings.size,
                server_size=args.platform.sizes.shop,
                init_size=args.platform.sizes.postgres_init,
                exposure=args.platform.exposure,
                peers=[
                    network.Peer(readers),
                    network.Peer(CLIENTS, args.platform.namespace),
                ],
                roles=["shop", "--reader", f"{READER}:shop"],
                workload="shop",
            ),
            child,
        )
        seed = workloads.job(
            "shop-seed",
            Identity("shop", "seed", VERSION, args.namespace),
            generator(
                "seed",
                generator_image,
                args.platform.sizes.shop_generator,
                shop.secret_name,
                ["seed", "--scale", f"{args.settings.scale:g}", "--seed", str(args.settings.seed)],
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[*shop.ready]),
            service_account=shop.account,
            configuration=workloads.secrets_hash(passwords),
        )
        live = Identity("shop", "live", VERSION, args.namespace)
        workloads.cron_job(
            "shop-live",
            live,
            generator(
                "live",
                generator_image,
                args.platform.sizes.shop_generator,
                shop.secret_name,
                ["live", "--rate", str(args.settings.rate)],
            ),
            child,
            service_account=shop.account,
            alone=False,
            keep_seconds=3600,
        )
        self.services: tuple[connections.WebService, ...] = ()
        if args.stand_ins:
            after = (*shop.ready, seed)
            services = SaasArgs(
                args.platform, args.namespace, args.settings.namespace, READER, shop.secret_name, after, args.stand_ins
            )
            self.services = Saas("saas", services, child).services
        self.source = connections.Database(
            host=f"shop.{args.settings.namespace}",
            name="shop",
            user=READER,
            password=passwords[READER],
            ready=(*shop.ready, seed),
        )
        self.register_outputs({})


def generator(name: str, image: pulumi.Input[str], size: Size, secret: str, arguments: Sequence[str]) -> Container:
    """Return a container that writes to the shop as its owner."""
    return Container(
        name=name,
        image=image,
        size=size,
        command=["python", "-m", "petco"],
        args=arguments,
        environment={
            "SHOP_HOST": "shop",
            "SHOP_PORT": str(ports.POSTGRES),
            "SHOP_DATABASE": "shop",
            "SHOP_USER": "shop",
        },
        secret_environment={"SHOP_PASSWORD": SecretKey(secret, "shop")},
        mounts=[pods.tmp("2Gi")],
    )
