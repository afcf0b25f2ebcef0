"""What a stack has on AWS, put together from its settings; `__main__.py` takes from it what each role needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import pulumi
import pulumi_kubernetes as k8s

from components import connections, settings
from components.aws.account import Account, provider
from components.aws.budget import MonthlyBudget
from components.aws.ci_roles import CiRoles, CiRolesArgs
from components.aws.cluster import ADMINISTRATOR, VIEWER, Cluster
from components.aws.database import Rds, RdsArgs
from components.aws.glue import Glue, GlueArgs
from components.aws.key import Key
from components.aws.load_balancer import LOGS_PREFIX, LoadBalancer, LoadBalancerArgs, Target
from components.aws.network import Network, subnets
from components.aws.nodes import SPOT, Nodes
from components.aws.observability import Observability, ObservabilityArgs
from components.aws.registry import EcrRegistry
from components.aws.sleep import Deployments, Sleep, SleepArgs
from components.aws.storage import Pods, S3Storage, StorageArgs
from components.connections import Balancer, Platform, S3Credentials
from components.dashboards import PORT as SUPERSET_PORT
from components.database import SERVICES
from components.orchestration import WEBSERVER_PORT
from components.secrets import Credentials

EMULATOR_KEYS = ("emulator-access-key", "emulator-secret-key")


class Cloud:
    """The account of a stack. Each part is made when it is first asked for, so that a stack has only what it uses.

    credentials: where an emulator's keys come from; AWS itself is reached with those of whoever runs the program.
    """

    def __init__(self, stack: settings.Settings, credentials: Credentials) -> None:
        if stack.aws is None:
            raise ValueError("this stack has no settings of AWS")
        keys = None
        if stack.aws.endpoint is not None:
            keys = S3Credentials(*(credentials.get(name) for name in EMULATOR_KEYS))
        self._stack, self._settings = stack, stack.aws
        name = pulumi.get_stack()
        account = Account(name, stack.aws, provider(name, stack.aws, keys), keys)
        self._ci: CiRoles | None = None
        if stack.aws.ci is not None:
            ci, mine = stack.aws.ci, pulumi.ResourceOptions(providers={"aws": account.provider})
            args = CiRolesArgs(
                name, stack.aws.account, stack.aws.prefix, ci.repository, ci.state_bucket, ci.secrets_key,
                ci.oidc_provider, stack.storage.bucket,
            )  # fmt: skip
            self._ci = CiRoles("ci-roles", args, mine)
            pulumi.export("ci_preview_role", self._ci.preview)
            pulumi.export("ci_deploy_role", self._ci.deploy)
        self._account = account if self._ci is None else replace(account, boundary=self._ci.boundary)
        if stack.aws.budget is not None:
            MonthlyBudget("budget", self._account, stack.aws.budget)

    @cached_property
    def kubernetes(self) -> k8s.Provider:
        """The cluster's provider."""
        return self._cluster.provider

    @cached_property
    def ready(self) -> tuple[pulumi.Resource, ...]:
        """What must be there before the cluster runs pods; the metrics of pods come with it."""
        nodes = Nodes("nodes", self._account, self._cluster, self._network)
        self._cluster.add_on("metrics-server", *nodes.ready)
        return nodes.ready

    @cached_property
    def interruptible(self) -> connections.Placement:
        """Where work goes that may be cut off: spot nodes."""
        return SPOT

    @cached_property
    def balancer(self) -> Balancer | None:
        """The load balancer that `serve` makes; None where the settings ask for none."""
        serving, network = self._stack.serving, self._settings.network
        if serving.domain is None:
            return None
        ranges = subnets(network.cidr, len(network.zones))
        return Balancer(serving.domain, ranges.internal if serving.scheme == "internal" else ranges.public)

    def serve(
        self,
        platform: Platform,
        secret: pulumi.Output[str],
        dashboards: Sequence[pulumi.Resource],
        orchestration: Sequence[pulumi.Resource],
    ) -> None:
        """Put the load balancer in front of Superset and Dagster, once both are there. secret: of Dagster's client."""
        serving, balancer = self._stack.serving, self.balancer
        if balancer is None or serving.oidc is None:
            raise ValueError("this stack has no settings of a load balancer")
        targets = {
            "superset": Target(SUPERSET_PORT, "/health", dashboards),
            "dagster": Target(
                WEBSERVER_PORT, "/server_info", orchestration, client=(serving.oidc.dagster_client, secret)
            ),
        }
        args = LoadBalancerArgs(
            account=self._account,
            settings=serving,
            network=self._network,
            balancer=balancer,
            targets=targets,
            logs=self._lake.logs,
            cluster=self._account.name(),
            namespace=platform.namespace,
        )
        made = LoadBalancer("serving", args, pulumi.ResourceOptions(providers={"kubernetes": self.kubernetes}))
        pulumi.export("load_balancer", made.dns_name)
        if self._stack.observability.kind == "cloudwatch":
            self._observability.watch_certificate(made.certificate)

    @cached_property
    def registry(self) -> connections.Registry:
        """Where images go."""
        return EcrRegistry("registry", self._account, self._platform_key.arn).connection

    def storage(self, platform: Platform) -> S3Storage:
        """Return the object store."""
        pods = None
        if self._stack.kubernetes.kind == "eks":
            pods = Pods(self._cluster.cluster_name, platform.namespace)
        key = Key("lake-key", self._account, f"Buckets of {self._account.name()}").arn
        logs = None if self.balancer is None else LOGS_PREFIX
        args = StorageArgs(self._account, self._stack.catalog, key, pods, self._stack.storage, logs)
        self._lake = S3Storage("storage", args)
        return self._lake

    def glue(self) -> connections.Catalog:
        """Return the catalog in AWS Glue, over the object store that was asked for before."""
        return Glue("catalog", GlueArgs(self._account, self._lake.root, self._lake.made)).connection

    def database(self, platform: Platform) -> Rds:
        """Return the database of all services that this stack has."""
        own_catalog = self._stack.catalog.kind == "rest" and self._stack.catalog.uri is None
        services = [service for service in SERVICES if service != "catalog" or own_catalog]
        name = self._account.name()
        log_groups = (f"/aws/rds/instance/{name}-*",)
        key = Key("database-key", self._account, f"Database of {name}", log_groups=log_groups).arn
        args = RdsArgs(
            account=self._account,
            network=self._network,
            cluster=self._cluster.cluster_name,
            key=key,
            platform=platform,
            services=services,
            settings=self._stack.database,
        )
        return Rds("database", args, pulumi.ResourceOptions(providers={"kubernetes": self.kubernetes}))

    def metrics(self, platform: Platform) -> connections.Metrics | None:
        """Watch the stack, and return where the pipeline publishes; None where the settings ask for no watch."""
        watched = self._stack.observability
        if watched.kind == "none":
            return None
        args = ObservabilityArgs(
            self._account, self._cluster, self._platform_key.arn, platform.namespace, self.ready,
            self._stack.database, self.balancer is not None, watched,
        )  # fmt: skip
        self._observability = Observability("observability", args)
        return self._observability.metrics

    def sleep(self, platform: Platform, inside: pulumi.ResourceOptions) -> None:
        """Put to sleep what was made in the cluster until now, where the settings have a schedule."""
        schedule, on_rds = self._account.settings.schedule, self._stack.database.kind == "rds"
        if schedule is None:
            return
        watched = self._stack.observability.kind == "cloudwatch"
        args = SleepArgs(
            self._account,
            platform,
            schedule,
            self._account.name("database") if on_rds else None,
            self._observability.alarms if watched else (),
            self._deployments.of(platform.namespace),
        )
        Sleep("sleep", args, inside)

    @property
    def transformations(self) -> list[pulumi.ResourceTransformation] | None:
        """What is done to every resource in the cluster before it is registered."""
        return None if self._account.settings.schedule is None else [self._deployments]

    @cached_property
    def _deployments(self) -> Deployments:
        return Deployments()

    @cached_property
    def _platform_key(self) -> Key:
        name = self._account.name()
        log_groups = (f"/{name}/*", f"/aws/eks/{name}/*", f"/aws/containerinsights/{name}/*")
        return Key(
            "platform-key", self._account, f"Secrets, logs, images and alarms of {name}", log_groups=log_groups,
            alarms=self._stack.observability.kind == "cloudwatch",
        )  # fmt: skip

    @cached_property
    def _network(self) -> Network:
        return Network("network", self._account, self._platform_key.arn)

    @cached_property
    def _cluster(self) -> Cluster:
        made = Cluster("cluster", self._account, self._network, self._platform_key.arn)
        if self._ci is not None:
            made.admit("ci-preview", self._ci.preview, VIEWER)
            made.admit("ci-deploy", self._ci.deploy, ADMINISTRATOR)
        return made
