"""Trino in the cluster: one node that does everything, or a coordinator and workers that scale with the load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi

from components import settings
from components.connections import TRINO_CERTIFICATE, Catalog, ObjectStore, Placement, Platform, QueryEngine
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.lake import USERS
from components.trino import configuration, containers, login, scaling
from components.trino.configuration import HTTP_PORT, HTTPS_PORT, Lake

VERSION = "476"
CLIENTS = ("dagster", "superset")
# The Service by which workers find the coordinator; that of clients may speak HTTPS only.
DISCOVERY = "trino-nodes"
CERTIFICATE = "trino-certificate"


@dataclass(frozen=True)
class TrinoArgs:
    """catalog and store: what the Trino catalog `lake` is made of."""

    platform: Platform
    settings: settings.Trino
    catalog: Catalog
    store: ObjectStore


class Trino(pulumi.ComponentResource):
    """The query engine; `connection` is what its clients get."""

    def __init__(self, name: str, args: TrinoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:query:Trino", name, None, opts)
        self._args = args
        child = pulumi.ResourceOptions(parent=self)
        platform, chosen = args.platform, args.settings
        scaled, lake = chosen.workers.maximum > 0, Lake(args.catalog, args.store)
        identity = Identity("trino", "server", VERSION, platform.namespace)
        shared = platform.credentials.get("trino-shared-secret")
        values = {**args.catalog.secret_values(), **args.store.secret_values(), "shared-secret": shared}
        tokens = {"node-token": shared.apply(login.node_token)} if scaled else {}
        secret = workloads.secret(containers.SECRET, identity, {**values, **tokens}, child)
        passwords, logins = self._logins(identity)
        seeds = {"certificate": platform.credentials.get("trino-certificate")} if passwords else {}
        files = configuration.coordinator(chosen, lake) if scaled else configuration.single_node(chosen, lake)
        texts = {containers.key(path): text for path, text in files.items()}
        config = workloads.config_map("trino", identity, texts, child)
        exposed = platform.exposure.node_port("trino") is not None
        port_name, port = ("https", HTTPS_PORT) if passwords else ("http", HTTP_PORT)
        network.allow_ingress("trino", identity, {port_name: port}, [network.Peer(CLIENTS)], child, exposed=exposed)
        account = workloads.service_account("trino", identity, child)
        server = workloads.deployment(
            "trino",
            identity,
            containers.server(platform.image("trino"), chosen, files, list(values)),
            pulumi.ResourceOptions(
                parent=self, depends_on=[secret, config, *logins, *args.catalog.ready, *args.store.ready]
            ),
            service_account=account,
            configuration=pulumi.Output.concat(
                pods.config_hash(files), "-", workloads.secrets_hash({**values, **passwords, **seeds})
            ),
            recreate=True,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service("trino", identity, port, after, port_name=port_name, exposure=platform.exposure)
        ready: tuple[pulumi.Resource, ...] = (server, service)
        if scaled:
            ready = (*ready, *self._workers(identity, lake, {**values, **tokens}, account, (server, secret)))
        self.connection = QueryEngine(
            host="trino",
            port=port,
            ready=ready,
            passwords=passwords,
            certificate=CERTIFICATE if passwords else None,
        )
        self.register_outputs({})

    def _logins(self, identity: Identity) -> tuple[dict[str, pulumi.Output[str]], Sequence[pulumi.Resource]]:
        """Make the password file and the certificate; return each user's password and what must exist before a login.

        Both are empty where nobody logs in.
        """
        if self._args.settings.authentication == "none":
            return {}, ()
        child = pulumi.ResourceOptions(parent=self)
        get = self._args.platform.credentials.get
        passwords = {user: get(f"trino-{user}") for user in USERS}
        salts = {user: get(f"trino-{user}-salt") for user in USERS}
        hashed = pulumi.Output.all(passwords=passwords, salts=salts).apply(lambda known: login.password_file(**known))
        made = pulumi.Output.all(get("trino-certificate"), identity.namespace).apply(
            lambda known: login.certificate(known[0], "trino", known[1])
        )
        files = {configuration.PASSWORDS: hashed, configuration.KEYSTORE: made.apply(lambda pair: pair.keystore)}
        secret = workloads.secret(containers.LOGIN_SECRET, identity, files, child)
        public = pulumi.Output.unsecret(made.apply(lambda pair: pair.public))
        trusted = workloads.config_map(CERTIFICATE, identity, {TRINO_CERTIFICATE: public}, child)
        return passwords, (secret, trusted)

    def _workers(
        self,
        coordinator: Identity,
        lake: Lake,
        values: Mapping[str, pulumi.Output[str]],
        account: pulumi.Input[str],
        after: Sequence[pulumi.Resource],
    ) -> tuple[pulumi.Resource, ...]:
        """Make the workers and what scales, spreads, drains and protects them; return what to wait for."""
        platform, chosen = self._args.platform, self._args.settings
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("trino", "worker", VERSION, platform.namespace)
        among = [network.Peer(("trino",))]
        discovery = network.service(
            DISCOVERY, coordinator, HTTP_PORT, pulumi.ResourceOptions(parent=self, depends_on=after), port_name="http"
        )
        network.allow_ingress(DISCOVERY, coordinator, {"http": HTTP_PORT}, among, child)
        network.allow_ingress("trino-worker", identity, {"http": HTTP_PORT}, among, child)
        files = configuration.worker(chosen, lake, f"http://{DISCOVERY}:{HTTP_PORT}")
        config = workloads.config_map(
            "trino-worker", identity, {containers.key(path): text for path, text in files.items()}, child
        )
        deployed = workloads.deployment(
            "trino-worker",
            identity,
            containers.worker(platform.image("trino"), chosen.workers, files, list(values)),
            pulumi.ResourceOptions(parent=self, depends_on=[config, discovery]),
            service_account=account,
            configuration=pulumi.Output.concat(pods.config_hash(files), "-", workloads.secrets_hash(values)),
            grace_seconds=chosen.workers.drain_seconds,
            replicas=None,
            placement=self._placement(),
        )
        scaling.autoscaler("trino-worker", identity, chosen.workers, deployed, child)
        scaling.disruption_budget("trino-worker", identity, child)
        return (discovery, deployed)

    def _placement(self) -> Placement:
        """Where workers go: what the settings say, else where work goes that may be cut off, for it is done again."""
        chosen, interruptible = self._args.settings.workers, self._args.platform.interruptible
        if interruptible is None or chosen.node_selector or chosen.tolerations:
            return Placement(chosen.node_selector, chosen.tolerations, spread=True)
        return replace(interruptible, spread=True)
