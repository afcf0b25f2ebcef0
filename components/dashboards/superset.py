"""Superset: its server, and the Job that sets up database, roles, users and dashboards from the image."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import lake, ports, settings
from components.connections import Database, Login, Placement, Platform, QueryEngine
from components.dashboards import cache
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, Mount, SecretKey
from components.kubernetes.probes import CommandCheck, HttpCheck, Probes
from components.kubernetes.trust import authority_mounts, certificate_mounts

PORT = ports.SUPERSET
VERSION = "6.1.0"
SECRET = "superset-credentials"  # noqa: S105 - the object's name
# The longest query of SQL Lab, as superset_config.py has it for workers.
QUERY_SECONDS = 600
USERS = ("admin", "editor", "viewer")


@dataclass(frozen=True)
class DashboardsArgs:
    """database: Superset's own. engine: what its dashboards ask. login: None is a form for the provisioned users."""

    platform: Platform
    settings: settings.Dashboards
    database: Database
    engine: QueryEngine
    login: Login | None = None


class Dashboards(pulumi.ComponentResource):
    """The server; `passwords` maps each user to a secret."""

    def __init__(self, name: str, args: DashboardsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:serving:Superset", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("superset", "server", VERSION, args.platform.namespace)
        self.passwords = {user: args.platform.credentials.get(f"superset-{user}") for user in USERS}
        values = {
            "secret-key": args.platform.credentials.get("superset-secret-key"),
            "database-password": args.database.password,
            **args.engine.secret_values(lake.DASHBOARDS),
            **{f"{user}-password": password for user, password in self.passwords.items()},
            **({} if args.login is None else {"client-secret": args.login.secret}),
        }
        cached: tuple[pulumi.Resource, ...] = ()
        if args.settings.cache.kind == "in_cluster":
            made = cache.Cache("cache", cache.CacheArgs(args.platform), child)
            cached, values["cache-password"] = made.ready, made.password
        secret = workloads.secret(SECRET, identity, values, child)
        account = workloads.service_account("superset", identity, child)
        network.allow_ingress(
            "superset",
            identity,
            {"http": PORT},
            [],
            child,
            exposed=args.platform.exposure.node_port("superset") is not None,
            networks=args.platform.exposure.networks("superset"),
        )
        initialised = workloads.job(
            "superset-init",
            Identity("superset", "init", VERSION, args.platform.namespace),
            init_container(args),
            pulumi.ResourceOptions(parent=self, depends_on=[secret, *args.database.ready]),
            service_account=account,
            configuration=workloads.secrets_hash(values),
        )
        server = workloads.deployment(
            "superset",
            identity,
            server_container(args),
            pulumi.ResourceOptions(parent=self, depends_on=[initialised, *args.engine.ready, *cached]),
            service_account=account,
            configuration=workloads.secrets_hash(values),
            replicas=args.settings.servers,
            placement=Placement(spread=True) if args.settings.servers > 1 else None,
        )
        if args.settings.workers > 0:
            workloads.deployment(
                "superset-worker",
                Identity("superset", "worker", VERSION, args.platform.namespace),
                worker_container(args),
                pulumi.ResourceOptions(parent=self, depends_on=[initialised, *args.engine.ready, *cached]),
                service_account=account,
                configuration=workloads.secrets_hash(values),
                # A query that a worker has begun ends with it.
                grace_seconds=QUERY_SECONDS,
            )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service("superset", identity, PORT, after, port_name="http", exposure=args.platform.exposure)
        self.ready: tuple[pulumi.Resource, ...] = (server, service)
        self.register_outputs({})


def server_container(args: DashboardsArgs) -> Container:
    """Return the web server's container."""
    return Container(
        name="superset",
        image=args.platform.image("dashboards"),
        size=args.platform.sizes.superset,
        environment={**_environment(args), "SUPERSET_THREADS": str(args.settings.threads)},
        secret_environment=_secret_environment(args),
        ports={"http": PORT},
        mounts=_mounts(args),
        probes=Probes(ready=HttpCheck("/health", "http"), startup_seconds=600),
    )


def worker_container(args: DashboardsArgs) -> Container:
    """Return the container that runs SQL Lab's queries, apart from the web servers."""
    # The check asks through the queue and costs a second of a core: seldom and patient.
    check = CommandCheck(("superset-worker-check",))
    return Container(
        name="worker",
        image=args.platform.image("dashboards"),
        size=args.platform.sizes.superset_worker,
        command=["celery", "--app=superset.tasks.celery_app:app", "worker", "--loglevel=INFO", "-O", "fair"],
        args=["--pool=prefork", f"--concurrency={args.settings.workers}", "--without-gossip", "--without-mingle"],
        environment=_environment(args),
        secret_environment=_secret_environment(args),
        mounts=_mounts(args),
        probes=Probes(ready=check, startup_seconds=600, period=120, timeout=60),
    )


def init_container(args: DashboardsArgs) -> Container:
    """Return the container that provisions Superset from the image's files. Safe to repeat."""
    passwords = {f"{user.upper()}_PASSWORD": SecretKey(SECRET, f"{user}-password") for user in USERS}
    return Container(
        name="init",
        image=args.platform.image("dashboards"),
        size=args.platform.sizes.superset_init,
        command=["superset-init"],
        environment=_environment(args),
        secret_environment=_secret_environment(args) | passwords,
        mounts=_mounts(args),
    )


def login(serving: settings.Serving, clients: settings.ClientSecrets | None) -> Login | None:
    """Return Superset's login at the identity provider; None where its users are those that it is provisioned with."""
    oidc = serving.oidc
    if oidc is None or clients is None:
        return None
    return Login(oidc.issuer, oidc.superset_client, clients.superset, tuple(oidc.scopes), oidc.groups_claim, oidc.roles)


def login_environment(args: DashboardsArgs) -> dict[str, str]:
    """Return what Superset must know of its login, and of the load balancer that speaks TLS in front of it."""
    tls = {"SUPERSET_HTTPS": "true"} if args.platform.exposure.networks("superset") else {}
    return tls | ({} if args.login is None else args.login.environment())


def cache_environment(configured: settings.Dashboards) -> dict[str, str]:
    """Return where Superset's cache is, and whether workers take long queries; nothing where there is none."""
    if configured.cache.kind == "none":
        return {}
    place = {"SUPERSET_CACHE_HOST": cache.HOST, "SUPERSET_CACHE_PORT": str(cache.PORT)}
    return place | {"SUPERSET_WORKERS": str(configured.workers)}


def _mounts(args: DashboardsArgs) -> list[Mount]:
    scratch = pods.tmp()
    return [scratch, *certificate_mounts(args.engine), *authority_mounts(args.database)]


def _environment(args: DashboardsArgs) -> dict[str, pulumi.Input[str]]:
    return {
        "SUPERSET_DB_HOST": args.database.host,
        "SUPERSET_DB_PORT": str(args.database.port),
        "SUPERSET_DB_NAME": args.database.name,
        "SUPERSET_DB_USER": args.database.user,
        **args.database.libpq_environment(),
        "TRINO_HOST": args.engine.host,
        "TRINO_PORT": str(args.engine.port),
        "LAKE_CATALOG": args.engine.catalog,
        **args.engine.environment(),
        **login_environment(args),
        **cache_environment(args.settings),
    }


def _secret_environment(args: DashboardsArgs) -> dict[str, SecretKey]:
    cached = SecretKey(SECRET, "cache-password")
    return {
        **({} if args.login is None else {"SUPERSET_OIDC_SECRET": SecretKey(SECRET, "client-secret")}),
        **({} if args.settings.cache.kind == "none" else {"SUPERSET_CACHE_PASSWORD": cached}),
        **({"TRINO_PASSWORD": SecretKey(SECRET, "trino-password")} if args.engine.passwords else {}),
        "SUPERSET_DB_PASSWORD": SecretKey(SECRET, "database-password"),
        "SUPERSET_SECRET_KEY": SecretKey(SECRET, "secret-key"),
    }
