"""What every component needs: namespace, images, credentials, and how users connect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from components.secrets import Credentials
from components.settings import Sizes


@dataclass(frozen=True)
class Balancer:
    """The load balancer in front of the cluster: its services are served at `<service>.<domain>`.

    networks: the ranges that its own addresses are in, and no pod's: who connects to the services' pods.
    """

    domain: str
    networks: tuple[str, ...]
    services: tuple[str, ...] = ("dagster", "superset")

    def host(self, service: str) -> str:
        """Return the name at which a service is served."""
        return f"{service}.{self.domain}"


@dataclass(frozen=True)
class Exposure:
    """How the stack's pages and ports are reached: NodePorts on this machine, a load balancer, or within the cluster.

    balancer: None where there is none.
    """

    kind: Literal["node_port", "cluster_ip"]
    ports: Mapping[str, int] = field(default_factory=dict)
    host: str = "127.0.0.1"
    balancer: Balancer | None = None

    def networks(self, service: str) -> tuple[str, ...]:
        """Return the ranges from which a load balancer connects to the service's pods."""
        return self.balancer.networks if self.balancer is not None and service in self.balancer.services else ()

    def node_port(self, service: str) -> int | None:
        """Return the node port of the service; None when it stays within the cluster."""
        return self.ports.get(service) if self.kind == "node_port" else None

    def url(self, service: str, namespace: str, port: int, scheme: str = "http") -> str:
        """Return the URL as a user outside (load balancer, node port) or inside the cluster reaches the service."""
        if self.balancer is not None and service in self.balancer.services:
            return f"https://{self.balancer.host(service)}"
        node_port = self.node_port(service)
        return (
            f"{scheme}://{service}.{namespace}:{port}" if node_port is None else f"{scheme}://{self.host}:{node_port}"
        )


@dataclass(frozen=True)
class Registry:
    """Where images go. `host` is its address, `prefix` the path below it.

    prepare: image → what must exist before it is pushed. cache_tag: the tag that may move, for the layers of the last
    build; None where builds keep their layers elsewhere. login: whether Docker has to log in to it.
    """

    host: str
    prefix: str
    prepare: Callable[[str], Sequence[pulumi.Resource]] = lambda _image: ()
    cache_tag: str | None = None
    login: bool = False

    def repository(self, image: str) -> str:
        """Return the image's repository, without tag or digest."""
        return f"{self.host}/{self.prefix}/{image}"

    @property
    def insecure(self) -> bool:
        """Whether it speaks plain HTTP: only ever a registry on this machine's loopback."""
        return self.host.split(":")[0] in {"127.0.0.1", "localhost"}


@dataclass(frozen=True)
class Placement:
    """Which nodes a workload's pods may use: those with these labels. taints: the pods' tolerance of them.

    A taint is written `key=value:Effect`; without a value any matches, without an effect all do.
    spread: keep the pods apart, over zones and over nodes, as far as there are any.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    spread: bool = False


@dataclass(frozen=True)
class Metrics:
    """Where the pipeline publishes its own facts: a namespace of CloudWatch. ready: the identity that may."""

    namespace: str
    region: str
    ready: tuple[pulumi.Resource, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the variables of whoever publishes."""
        return {"METRICS_NAMESPACE": self.namespace, "AWS_DEFAULT_REGION": self.region}


@dataclass(frozen=True)
class Platform:
    """What every component stands on.

    namespace: the platform's, once it exists. image: name → reference by digest. exposure: how users reach it.
    interruptible: where work goes that may be cut off and is done again; None where all nodes are alike.
    sizes: what each workload asks for and may take.
    """

    namespace: pulumi.Input[str]
    image: Callable[[str], pulumi.Output[str]]
    credentials: Credentials
    exposure: Exposure
    sizes: Sizes
    interruptible: Placement | None = None
