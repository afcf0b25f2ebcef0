"""Dagster: code location, webserver, daemon, and what its run pods get."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pulumi
import pulumi_kubernetes as k8s

from components import ports
from components.connections import Database, Metrics, Platform, QueryEngine, shop_environment
from components.kubernetes import network, pods, roles, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, Mount
from components.kubernetes.probes import CommandCheck, GrpcCheck, HttpCheck, Probes
from components.kubernetes.roles import Rule
from components.kubernetes.trust import authority_mounts, certificate_mounts
from components.lake import DEVELOPER, PIPELINE
from components.orchestration.runs import run_pod
from components.settings import Size

WEBSERVER_PORT, CODE_PORT = ports.DAGSTER, ports.DAGSTER_CODE
VERSION = "1.13.27"
ENVIRONMENT = "dagster-environment"
UNCONNECTED = "HEADWATER_UNCONNECTED_SOURCES"
RUN_POD = "HEADWATER_RUN_POD"
DEFINITIONS = "headwater_dagster.definitions"
ANY = "0.0.0.0"  # noqa: S104 - all addresses of its pod
# Who talks to the code location: webserver, daemon and runs, all named dagster.
PEERS = (network.Peer(("dagster",)),)
# What Dagster may do in its own namespace: start Jobs from templates, follow them, read their logs. Nothing else.
RULES = (
    Rule(("batch",), ("jobs",), ("create", "get", "list", "watch", "delete")),
    Rule(("batch",), ("jobs/status",), ("get",)),
    Rule(("batch",), ("cronjobs",), ("get",)),
    Rule(("",), ("pods", "pods/log", "pods/status"), ("get", "list", "watch")),
    Rule(("", "events.k8s.io"), ("events",), ("get", "list")),
)


@dataclass(frozen=True)
class OrchestrationArgs:
    """database: Dagster's own. source: what the new-rows sensor looks at. metrics: None where nobody watches.

    unconnected: names of the sources that this stack does not read, for which Dagster then has no steps.
    """

    platform: Platform
    database: Database
    engine: QueryEngine
    source: Database | None
    unconnected: tuple[str, ...] = ()
    metrics: Metrics | None = None


class Orchestration(pulumi.ComponentResource):
    """Dagster's three servers, their account and environment; `ready` is what waits for all of them."""

    def __init__(self, name: str, args: OrchestrationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:orchestration:Dagster", name, None, opts)
        self._args = args
        child = pulumi.ResourceOptions(parent=self)
        image, sizes = args.platform.image("orchestration"), args.platform.sizes
        identity = Identity("dagster", "instance", VERSION, args.platform.namespace)
        environment = plain_environment(args.database, args.engine, args.source, args.unconnected)
        # Runs are pods that Dagster makes: the image's launcher makes them like this.
        run = Identity("dagster", "run", VERSION, args.platform.namespace)
        environment[RUN_POD] = json.dumps(run_pod(run, sizes.dagster_run, args.engine, args.database), sort_keys=True)
        if args.metrics is not None:
            environment |= args.metrics.environment()
        passwords = {"DAGSTER_PG_PASSWORD": args.database.password}
        if args.source is not None:
            passwords["SHOP_PASSWORD"] = args.source.password
        if args.engine.passwords:
            passwords["TRINO_PASSWORD"] = args.engine.passwords[PIPELINE]
            # For builds by hand, which are kept to schemas of their own.
            passwords["TRINO_DEVELOPER_PASSWORD"] = args.engine.passwords[DEVELOPER]
        known = {**environment, "HEADWATER_NAMESPACE": args.platform.namespace, "DAGSTER_CURRENT_IMAGE": image}
        shared: tuple[pulumi.Resource, ...] = (
            workloads.config_map(ENVIRONMENT, identity, known, child),
            workloads.secret(ENVIRONMENT, identity, passwords, child),
            *args.database.ready,
            *(args.metrics.ready if args.metrics is not None else ()),
        )
        self._account_name = workloads.service_account("dagster", identity, child)
        roles.role("dagster", identity, RULES, self._account_name, child)
        # The image is in every pod's template already; the rest of the environment is not.
        self._configuration = pulumi.Output.concat(
            pulumi.Output.from_input(environment).apply(pods.config_hash), "-", workloads.secrets_hash(passwords)
        )
        # The code location first: the others would only wait for it, and on two cores in each other's way.
        known_by = authority_mounts(args.database)
        trust = [*certificate_mounts(args.engine), *known_by]
        code = self._server(code_container(image, sizes.dagster_code, trust), shared, "dagster-code")
        webserver = self._server(
            webserver_container(image, sizes.dagster_webserver, known_by), (*shared, *code), "dagster"
        )
        daemon = self._server(daemon_container(image, sizes.dagster_daemon, known_by), (*shared, *code), None)
        self.ready = (*code, *webserver, *daemon)
        self.register_outputs({})

    def _server(
        self, container: Container, after: tuple[pulumi.Resource, ...], service: str | None
    ) -> tuple[pulumi.Resource, ...]:
        """Make one server, and its Service when it has one; return what tells that it can be used."""
        identity = Identity("dagster", container.name, VERSION, self._args.platform.namespace)
        server = workloads.deployment(
            f"dagster-{container.name}",
            identity,
            container,
            pulumi.ResourceOptions(parent=self, depends_on=after),
            service_account=self._account_name,
            configuration=self._configuration,
            automount_token=True,
            # Two daemons would run each schedule twice.
            recreate=container.name == "daemon",
        )
        if service is None:
            return (server,)
        exposure = self._args.platform.exposure
        ((port_name, port),) = container.ports.items()
        child = pulumi.ResourceOptions(parent=self)
        exposed = exposure.node_port(service) is not None
        outside = exposure.networks(service)
        network.allow_ingress(service, identity, container.ports, PEERS, child, exposed=exposed, networks=outside)
        ready = pulumi.ResourceOptions(parent=self, depends_on=[server])
        return (server, network.service(service, identity, port, ready, port_name=port_name, exposure=exposure))


def plain_environment(
    database: Database, engine: QueryEngine, source: Database | None, unconnected: Sequence[str] = ()
) -> dict[str, pulumi.Input[str]]:
    """Return the variables that servers and runs share, without passwords."""
    return {
        "DAGSTER_PG_HOST": database.host,
        "DAGSTER_PG_PORT": str(database.port),
        "DAGSTER_PG_DATABASE": database.name,
        "DAGSTER_PG_USER": database.user,
        **database.libpq_environment(),
        "TRINO_HOST": engine.host,
        "TRINO_PORT": str(engine.port),
        "TRINO_USER": PIPELINE,
        "LAKE_CATALOG": engine.catalog,
        **engine.environment(),
        **shop_environment(source),
        **({UNCONNECTED: " ".join(unconnected)} if unconnected else {}),
    }


def code_container(image: pulumi.Input[str], size: Size, trust: Sequence[Mount] = ()) -> Container:
    """Return the code location's container: definitions behind gRPC. trust: mounts of what it verifies servers by."""
    command = f"dagster api grpc --host {ANY} --port {CODE_PORT} --module-name {DEFINITIONS}".split()
    probes = Probes(ready=GrpcCheck(CODE_PORT, "DagsterApi"), startup_seconds=600)
    return _container("code", image, size, command, probes=probes, ports={"grpc": CODE_PORT}, mounts=trust)


def webserver_container(image: pulumi.Input[str], size: Size, trust: Sequence[Mount] = ()) -> Container:
    """Return the webserver's container."""
    command = f"dagster-webserver --host {ANY} --port {WEBSERVER_PORT}".split()
    probes = Probes(ready=HttpCheck("/server_info", "http"), startup_seconds=600)
    return _container("webserver", image, size, command, probes=probes, ports={"http": WEBSERVER_PORT}, mounts=trust)


def daemon_container(image: pulumi.Input[str], size: Size, trust: Sequence[Mount] = ()) -> Container:
    """Return the daemon's container: schedules, sensors, the run queue."""
    # The check imports Dagster, 3 CPU-s each time: seldom and patient.
    check = CommandCheck(("dagster-daemon", "liveness-check"))
    probes = Probes(ready=check, startup_seconds=600, period=120, timeout=60)
    return _container("daemon", image, size, ["dagster-daemon", "run"], probes=probes, mounts=trust)


def _container(
    name: str,
    image: pulumi.Input[str],
    size: Size,
    command: Sequence[str],
    *,
    probes: Probes,
    ports: Mapping[str, int] = MappingProxyType({}),
    mounts: Sequence[Mount] = (),
) -> Container:
    return Container(
        name=name,
        image=image,
        size=size,
        command=command,
        environment_from=[
            k8s.core.v1.EnvFromSourceArgs(config_map_ref=k8s.core.v1.ConfigMapEnvSourceArgs(name=ENVIRONMENT)),
            k8s.core.v1.EnvFromSourceArgs(secret_ref=k8s.core.v1.SecretEnvSourceArgs(name=ENVIRONMENT)),
        ],
        ports=ports,
        mounts=[pods.tmp(), *mounts],
        probes=probes,
    )
