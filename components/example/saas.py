"""Stand-ins of the services that the example company uses: one server, which reads the shop at each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components import ports
from components.connections import Platform, WebService
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, SecretKey
from components.kubernetes.probes import HttpCheck, Probes
from components.settings import Size

NAME = "saas"
VERSION = "1"
PORT = ports.STAND_INS
SECRET = "saas-credentials"  # noqa: S105 - the object's name
SALESFORCE_CLIENT = "headwater-ingestion"
"""Consumer key of the connected app: a name, which the secret beside it makes good."""
ANY = "0.0.0.0"  # noqa: S104 - all addresses of its pod


@dataclass(frozen=True)
class SaasArgs:
    """namespace: the company's. reader: the role that may read the shop, whose password is in Secret `shop_secret`.

    after: what must be there before, the shop's rows among it. played: which services, of stripe and salesforce.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    host: str
    reader: str
    shop_secret: str
    after: tuple[pulumi.Resource, ...]
    played: frozenset[str]


class Saas(pulumi.ComponentResource):
    """The stand-ins; `services` is what ingestion needs to read each of them."""

    def __init__(self, name: str, args: SaasArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:example:Saas", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity(NAME, "server", VERSION, args.namespace)
        environment: dict[str, pulumi.Input[str]] = {}
        passwords: dict[str, pulumi.Output[str]] = {}
        if "stripe" in args.played:
            # A restricted key in test mode, by its first letters, as Stripe writes them.
            key = pulumi.Output.concat("rk_test_", args.platform.credentials.get("stripe-api-key"))
            passwords["STRIPE_API_KEY"] = pulumi.Output.secret(key)
        if "salesforce" in args.played:
            environment["SALESFORCE_CLIENT_ID"] = SALESFORCE_CLIENT
            passwords["SALESFORCE_CLIENT_SECRET"] = args.platform.credentials.get("salesforce-client-secret")
        secret = workloads.secret(SECRET, identity, passwords, child)
        network.allow_ingress(
            NAME, identity, {"http": PORT}, [network.Peer(("ingestion",), args.platform.namespace)], child
        )
        server = workloads.deployment(
            NAME,
            identity,
            server_container(
                args.platform.image("sources"),
                args.platform.sizes.stand_ins,
                args.reader,
                args.shop_secret,
                environment=environment,
                secrets=passwords,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[secret, *args.after]),
            service_account=workloads.service_account(NAME, identity, child),
            configuration=workloads.secrets_hash(passwords),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        ready = (server, network.service(NAME, identity, PORT, after, port_name="http"))
        address = f"http://{NAME}.{args.host}:{PORT}"
        places: dict[str, dict[str, pulumi.Input[str]]] = {
            "stripe": {"STRIPE_API_URL": f"{address}/stripe"},
            "salesforce": {"SALESFORCE_LOGIN_URL": f"{address}/salesforce", **environment},
        }
        self.services = tuple(
            WebService(
                places[name],
                {variable: value for variable, value in passwords.items() if variable.startswith(name.upper())},
                ready,
            )
            for name in places
            if name in args.played
        )
        self.register_outputs({})


def server_container(
    image: pulumi.Input[str],
    size: Size,
    reader: str,
    shop_secret: str,
    *,
    environment: Mapping[str, pulumi.Input[str]],
    secrets: Mapping[str, object],
) -> Container:
    """Return the container of the stand-ins. secrets: names of the variables that come from their Secret."""
    return Container(
        name=NAME,
        image=image,
        size=size,
        command=["python", "-m", "petco"],
        args=["api", "--host", ANY, "--port", str(PORT)],
        environment={
            "SHOP_HOST": "shop",
            "SHOP_PORT": str(ports.POSTGRES),
            "SHOP_DATABASE": "shop",
            "SHOP_USER": reader,
            **environment,
        },
        secret_environment={
            "SHOP_PASSWORD": SecretKey(shop_secret, reader),
            **{variable: SecretKey(SECRET, variable) for variable in secrets},
        },
        ports={"http": PORT},
        mounts=[pods.tmp()],
        # Without the shop it waits; a new pod would not bring it back.
        probes=Probes(ready=HttpCheck("/ready", "http"), alive=HttpCheck("/alive", "http")),
    )
