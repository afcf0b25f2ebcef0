"""The infrastructure of a stack with an AWS account: EKS, ECR, RDS, S3 and Glue, each if the settings ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import pulumi

from components import connections, ports, settings
from components.aws.account import Account, provider
from components.aws.budget import MonthlyBudget
from components.aws.ci_roles import CiRoles, CiRolesArgs
from components.aws.key import Key
from components.aws.leftovers import leftovers
from components.aws.load_balancer import LOGS_PREFIX, LoadBalancer, LoadBalancerArgs, Target
from components.aws.network import Network, subnets
from components.aws.observability import Observability, ObservabilityArgs
from components.aws.sleep import Deployments, Sleep, SleepArgs
from components.catalog.glue import Glue, GlueArgs
from components.cluster import admission
from components.cluster.eks import ADMINISTRATOR, VIEWER, Cluster
from components.cluster.node_pools import SPOT, Nodes
from components.connections import Balancer, Metrics, Placement, Platform, Registry, S3Credentials
from components.database.rds import Rds, RdsArgs
from components.database.services import SERVICES
from components.foundation.one_machine import Databases, OneMachine, Pages, Storage
from components.images.ecr import EcrRegistry
from components.secrets import Credentials
from components.storage.s3 import Pods, S3Storage, StorageArgs

EMULATOR_KEYS = ("emulator-access-key", "emulator-secret-key")


class OnAws(OneMachine):
    """Makes the parts of a foundation on AWS; where the settings choose one machine's for a role, it is that.

    A shared part (network, keys, cluster) is made when it is first asked for, so that a stack has only what it uses.
    credentials: where an emulator's keys come from; AWS itself is reached with those of whoever runs the program.
    """

    def __init__(
        self, stack: settings.Settings, configured: settings.Aws, credentials: Credentials, config: pulumi.Config
    ) -> None:
        super().__init__(stack, credentials, config)
        self._settings, self._on_eks = configured, stack.kubernetes.kind == "eks"
        keys = None
        if configured.endpoint is not None:
            keys = S3Credentials(*(credentials.get(name) for name in EMULATOR_KEYS))
        name = pulumi.get_stack()
        account = Account(name, configured, provider(name, configured, keys), keys)
        self._ci = self._workflow_roles(account)
        self._account = account if self._ci is None else replace(account, boundary=self._ci.boundary)
        if configured.budget is not None:
            MonthlyBudget("budget", self._account, configured.budget)
        self._deployments = Deployments()

    @property
    def interruptible(self) -> Placement | None:
        """Where work goes that may be cut off: spot nodes."""
        return SPOT if self._on_eks else None

    @cached_property
    def balancer(self) -> Balancer | None:
        """The load balancer that `finish` makes; None where the settings ask for none."""
        serving, network = self.stack.serving, self._settings.network
        if serving.domain is None:
            return None
        ranges = subnets(network.cidr, len(network.zones))
        return Balancer(serving.domain, ranges.internal if serving.scheme == "internal" else ranges.public)

    def cluster(self) -> pulumi.ResourceOptions:
        """Return the options of whatever runs in the cluster: after what pods need to start there."""
        if not self._on_eks:
            return super().cluster()
        # How many pods a Deployment has is not Pulumi's where the stack sleeps.
        sleeps = self._settings.schedule is not None
        changed: list[pulumi.ResourceTransformation] | None = [self._deployments] if sleeps else None
        return pulumi.ResourceOptions(
            provider=self._cluster.provider, depends_on=self._pods_can_start, transformations=changed
        )

    def registry(self) -> Registry:
        """Return where images go."""
        if self.stack.images.registry != settings.ECR:
            return super().registry()
        return EcrRegistry("registry", self._account, self._platform_key.arn).connection

    def database(self, platform: Platform, in_cluster: pulumi.ResourceOptions) -> Databases:
        """Return the database of all services that this stack has."""
        if self.stack.database.kind != "rds":
            return super().database(platform, in_cluster)
        own_catalog = self.stack.catalog.kind == "rest" and self.stack.catalog.uri is None
        name, logs = self._account.name(), (f"{self._account.database_log_groups}*",)
        args = RdsArgs(
            account=self._account,
            network=self._network,
            cluster=self._cluster.cluster_name,
            namespace=self.stack.kubernetes.namespace,
            key=Key("database-key", self._account, f"Database of {name}", log_groups=logs).arn,
            platform=platform,
            services=[service for service in SERVICES if service != "catalog" or own_catalog],
            settings=self.stack.database,
        )
        return Rds("database", args, pulumi.ResourceOptions(providers={"kubernetes": self._cluster.provider}))

    def storage(self, platform: Platform, in_cluster: pulumi.ResourceOptions) -> Storage:
        """Return the object store."""
        return self._lake if self.stack.storage.kind == "s3" else super().storage(platform, in_cluster)

    def catalog(
        self, platform: Platform, database: Databases, storage: Storage, in_cluster: pulumi.ResourceOptions
    ) -> connections.Catalog:
        """Return the Iceberg catalog; Glue's databases are places in the lake."""
        if self.stack.catalog.kind != "glue":
            return super().catalog(platform, database, storage, in_cluster)
        return Glue("catalog", GlueArgs(self._account, self._lake.root, self._lake.made)).connection

    def metrics(self) -> Metrics | None:
        """Watch the stack, and return where the pipeline publishes; None where the settings ask for no watch."""
        return None if self._observability is None else self._observability.metrics

    def finish(
        self, platform: Platform, pages: Pages, in_cluster: pulumi.ResourceOptions
    ) -> Mapping[str, pulumi.Input[object]]:
        """Put to sleep what was made in the cluster until now, and the load balancer in front of the pages."""
        outputs: dict[str, pulumi.Input[object]] = {}
        if self._ci is not None:
            outputs |= {"ci_preview_role": self._ci.preview, "ci_deploy_role": self._ci.deploy}
        if self._on_eks:
            outputs["after_destroy"] = leftovers(self._account)
        if self._settings.schedule is not None:
            self._sleep(platform, self._settings.schedule, in_cluster)
        if pages.client_secrets is not None:
            outputs["load_balancer"] = self._serve(platform, pages, pages.client_secrets.dagster)
        return outputs

    def _sleep(self, platform: Platform, schedule: settings.Schedule, in_cluster: pulumi.ResourceOptions) -> None:
        args = SleepArgs(
            account=self._account,
            platform=platform,
            schedule=schedule,
            database=self._account.name("database") if self.stack.database.kind == "rds" else None,
            alarms=() if self._observability is None else self._observability.alarms,
            deployments=self._deployments.of(platform.namespace),
        )
        Sleep("sleep", args, in_cluster)

    def _serve(self, platform: Platform, pages: Pages, dagster_secret: pulumi.Output[str]) -> pulumi.Output[str]:
        """Make the load balancer; return its name."""
        serving, balancer = self.stack.serving, self.balancer
        if balancer is None or serving.oidc is None:
            raise ValueError("this stack has no settings of a load balancer")
        # Superset has a login of its own; Dagster has none.
        client = (serving.oidc.dagster_client, dagster_secret)
        targets = {
            "superset": Target(ports.SUPERSET, "/health", pages.dashboards),
            "dagster": Target(ports.DAGSTER, "/server_info", pages.orchestration, client),
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
        made = LoadBalancer("serving", args, pulumi.ResourceOptions(providers={"kubernetes": self._cluster.provider}))
        if self._observability is not None:
            self._observability.watch_certificate(made.certificate)
        return made.dns_name

    def _workflow_roles(self, account: Account) -> CiRoles | None:
        ci = self._settings.ci
        if ci is None:
            return None
        args = CiRolesArgs(
            account.stack, self._settings.account, self._settings.prefix, ci.repository, ci.state_bucket,
            ci.secrets_key, ci.oidc_provider, self.stack.storage.bucket,
        )  # fmt: skip
        return CiRoles("ci-roles", args, pulumi.ResourceOptions(providers={"aws": account.provider}))

    @cached_property
    def _pods_can_start(self) -> tuple[pulumi.Resource, ...]:
        """What must be there before the cluster runs pods; the metrics of pods come with it.

        The add-on is done when its own pods run, minutes after the cluster is there: by then the API server holds
        pods to what `gate` asks, and EKS knows the associations. Both take effect seconds after they are made.
        """
        nodes = Nodes("nodes", self._account, self._cluster, self._network)
        accounts = admission.identities(self.stack)
        inside = pulumi.ResourceOptions(parent=self._cluster, provider=self._cluster.provider)
        gate = admission.gate(accounts, inside) if accounts else ()
        return (*nodes.ready, *gate, self._cluster.add_on("metrics-server", *nodes.ready))

    @cached_property
    def _lake(self) -> S3Storage:
        pods = Pods(self._cluster.cluster_name, self.stack.kubernetes.namespace) if self._on_eks else None
        key = Key("lake-key", self._account, f"Buckets of {self._account.name()}").arn
        logs = None if self.balancer is None else LOGS_PREFIX
        return S3Storage("storage", StorageArgs(self._account, self.stack.catalog, key, pods, self.stack.storage, logs))

    @cached_property
    def _observability(self) -> Observability | None:
        watched = self.stack.observability
        if watched.kind == "none":
            return None
        args = ObservabilityArgs(
            self._account, self._cluster, self._platform_key.arn, self.stack.kubernetes.namespace,
            self._pods_can_start, self.stack.database, self.balancer is not None, watched,
        )  # fmt: skip
        return Observability("observability", args)

    @cached_property
    def _platform_key(self) -> Key:
        name = self._account.name()
        log_groups = tuple(f"{each}*" for each in self._account.log_groups)
        return Key(
            "platform-key", self._account, f"Secrets, logs, images and alarms of {name}", log_groups=log_groups,
            alarms=self.stack.observability.kind == "cloudwatch",
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
