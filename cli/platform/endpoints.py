"""Where the platform of a stack is and how to connect to it, read from the stack's settings. Decision 0119."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.errors import LocalError, UsageError, not_allowed
from localstack.home import CHECKOUT, CONTEXT, KUBE_CONTEXT
from review.stack_files import StackFileError, configuration, stack_files

if TYPE_CHECKING:
    from components.settings import Settings

BALANCED = ("superset", "dagster")
"""The services that a load balancer serves, where the stack has one."""


@dataclass(frozen=True)
class Endpoint:
    """A Service of the platform.

    Attributes:
        name: what it is called.
        namespace: which namespace it is in.
        port: what its port is called.
        scheme: of its address.
        path: of its address.
        purpose: what it is for, in a few words.
        node_port: its port on the node, which is 127.0.0.1 where the node is this machine; None where it has none.
        page: its address at a load balancer; None where there is none.
    """

    name: str
    namespace: str
    port: str
    scheme: str
    path: str = "/"
    purpose: str = ""
    node_port: int | None = None
    page: str | None = None

    def address(self, port: int) -> str:
        """Return the address at a port of this machine, without a path."""
        return f"{self.scheme}://127.0.0.1:{port}"

    def url(self, port: int | None = None) -> str:
        """Return where people find it: at the load balancer, at `port` or its node port, or in the cluster only."""
        found = self.node_port if port is None else port
        if self.page is not None:
            return self.page
        return f"{self.name}.{self.namespace} (in the cluster)" if found is None else self.address(found) + self.path


@dataclass(frozen=True)
class Platform:
    """Where the platform of a stack is.

    Attributes:
        stack: the stack's name.
        namespace: of the platform.
        example: namespace of the example company; None where the stack has none.
        context: kubeconfig context of the cluster; None is the cluster that `make up` makes on this machine.
        kubeconfig: the file that has the context; None is what kubectl takes by itself.
        way_in: the command that makes the context; None where nobody knows.
        login: whether Trino asks for a login.
        lake: the bucket of the lake.
        minio: MinIO in the cluster; None where the lake is elsewhere.
        endpoints: the services for people.
    """

    stack: str
    namespace: str
    example: str | None
    context: str | None
    kubeconfig: str | None
    way_in: str | None
    login: bool
    lake: str
    minio: Endpoint | None
    endpoints: tuple[Endpoint, ...]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces of the stack."""
        return (self.namespace,) if self.example is None else (self.namespace, self.example)

    @property
    def company(self) -> str:
        """Return the namespace of the example company. Raises UsageError where the stack has none."""
        if self.example is None:
            raise UsageError(f"stack {self.stack} has no example company: headwater:example.enabled is false")
        return self.example

    def endpoint(self, name: str) -> Endpoint:
        """Return the service of that name. Raises KeyError."""
        return {each.name: each for each in self.endpoints}[name]

    @property
    def forwarded(self) -> tuple[Endpoint, ...]:
        """Return the services that this machine reaches through a port-forward only."""
        here = self.context is None
        return tuple(each for each in self.endpoints if each.page is None and not (here and each.node_port))

    def lines(self, forwarded: Mapping[str, int] | None = None) -> list[str]:
        """Return where people find the services. `forwarded`: name → port of this machine that leads to it."""
        ports = {} if forwarded is None else forwarded
        return [f"  {each.name:<10} {each.url(ports.get(each.name)):<34} {each.purpose}" for each in self.endpoints]

    def make(self, words: str) -> str:
        """Return how a command is typed for this stack: `make run s=staging` of `run`."""
        command = f"make {words.removeprefix('make ')}"
        return command if self.stack == "dev" else f"{command} s={self.stack}"


def resolve(settings: Settings, stack: str, environment: Mapping[str, str]) -> Platform:
    """Return where the platform of a stack is, by its settings. HEADWATER_KUBE_CONTEXT names somebody's cluster."""
    cluster, serving = settings.kubernetes, settings.serving
    context, way_in = cluster.context, None
    if cluster.kind == "eks" and settings.aws is not None:
        # What `aws eks update-kubeconfig` calls the context.
        account = settings.aws
        context = f"arn:aws:eks:{account.region}:{account.account}:cluster/{account.prefix}"
        way_in = f"aws eks update-kubeconfig --name {account.prefix} --region {account.region}"
    elif context == CONTEXT and cluster.kubeconfig is None and KUBE_CONTEXT not in environment:
        context = None
    ports = cluster.exposure.ports.assigned() if cluster.exposure.kind == "node_port" else {}
    login = settings.trino.authentication == "password"
    main, example = cluster.namespace, settings.example.namespace if settings.example.enabled else None
    web = "https" if login else "http"
    found = [
        Endpoint("superset", main, "http", "http", "/", "dashboards"),
        Endpoint("dagster", main, "http", "http", "/", "pipeline, lineage, runs"),
        Endpoint("trino", main, web, web, "/ui/", "SQL"),
    ]
    if example is not None:
        purpose = "the example company's source database"
        found.append(Endpoint("shop", example, "postgres", "postgresql", "/shop", purpose))
    pages = {} if serving.domain is None else {name: f"https://{name}.{serving.domain}/" for name in BALANCED}
    return Platform(
        stack=stack,
        namespace=main,
        example=example,
        context=context,
        kubeconfig=cluster.kubeconfig,
        way_in=way_in,
        login=login,
        lake=settings.storage.lake_bucket,
        minio=Endpoint("minio", main, "s3", "http") if settings.storage.kind == "minio" else None,
        endpoints=tuple(replace(each, node_port=ports.get(each.name), page=pages.get(each.name)) for each in found),
    )


def load(stack: str, environment: Mapping[str, str], checkout: Path = CHECKOUT) -> Platform:
    """Return where the platform of a stack is. Raises UsageError for a stack that is not there, LocalError for
    settings that are wrong.
    """
    files = stack_files(checkout)
    if stack not in files:
        raise not_allowed("s", stack, files)
    # Imported here: together they take a second.
    import pulumi

    from components import settings

    try:
        config = configuration(files[stack])
        chosen = {KUBE_CONTEXT: environment[KUBE_CONTEXT]} if KUBE_CONTEXT in environment else {}
        return resolve(settings.load(config, chosen, stack, builds=False), stack, environment)
    except StackFileError as error:
        raise LocalError(str(error)) from error
    except pulumi.RunError as error:
        raise LocalError(f"{files[stack].name}: {error}") from error


def answers(port: int, timeout_s: float = 1.0) -> bool:
    """Return whether something accepts connections on 127.0.0.1:`port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s):
            return True
    except OSError:
        return False
