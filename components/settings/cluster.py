"""Settings of the Kubernetes cluster, and of how its services are reached from outside."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from components.settings.base import DnsLabel, Model, NodePort


class NodePorts(Model):
    """Ports on the node, and so on 127.0.0.1. A service without a port stays within the cluster."""

    superset: NodePort | None = Field(default=None, description="Superset's port.")
    dagster: NodePort | None = Field(default=None, description="The port of Dagster's page.")
    trino: NodePort | None = Field(default=None, description="Trino's port.")
    shop: NodePort | None = Field(default=None, description="The port of the example shop's PostgreSQL.")

    def assigned(self) -> dict[str, int]:
        """Return the services that have a port."""
        return self.model_dump(exclude_none=True)


class Exposure(Model):
    """How services are reached from outside the cluster."""

    kind: Literal["node_port", "cluster_ip"] = Field(
        default="cluster_ip",
        description="`node_port` opens the ports named in `ports` on the node. With `cluster_ip` services stay within "
        "the cluster.",
    )
    ports: NodePorts = NodePorts()


class Kubernetes(Model):
    """The Kubernetes cluster that everything runs on."""

    kind: Literal["kubeconfig", "eks"] = Field(
        default="kubeconfig",
        description="`kubeconfig` is a cluster that is there. `eks` makes one on Amazon EKS, as `aws.cluster` says.",
    )
    context: str | None = Field(
        default=None,
        description="The kubeconfig's context. Not set: what the variable HEADWATER_KUBE_CONTEXT says, or `headwater`, "
        "which `make up` makes. Not with `eks`.",
    )
    kubeconfig: str | None = Field(
        default=None,
        description="The path of the kubeconfig. Not set: the file that the variable KUBECONFIG names. Not with `eks`.",
    )
    namespace: DnsLabel = Field(default="headwater", description="The namespace of the platform.")
    exposure: Exposure = Exposure()

    @field_validator("namespace")
    @classmethod
    def _not_kubernetes_own(cls, value: str) -> str:
        if value.startswith("kube-"):
            raise ValueError("Kubernetes keeps namespaces that begin with kube- to itself; take another name")
        return value
