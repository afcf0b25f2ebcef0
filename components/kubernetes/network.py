"""Services, how they are exposed, and who may connect to them. Outgoing connections of pods are not limited here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.connections import Exposure
from components.kubernetes.labels import PART_OF, PREFIX, Identity


@dataclass(frozen=True)
class Peer:
    """Pods that may connect: those of the workloads named, in the given namespace (None: the policy's own)."""

    names: tuple[str, ...]
    namespace: pulumi.Input[str] | None = None

    def arguments(self) -> k8s.networking.v1.NetworkPolicyPeerArgs:
        """Return the Pulumi arguments."""
        return k8s.networking.v1.NetworkPolicyPeerArgs(
            pod_selector=k8s.meta.v1.LabelSelectorArgs(
                match_expressions=[
                    k8s.meta.v1.LabelSelectorRequirementArgs(
                        key=f"{PREFIX}/name", operator="In", values=list(self.names)
                    )
                ]
            ),
            namespace_selector=None
            if self.namespace is None
            else k8s.meta.v1.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": self.namespace}),
        )


def service(
    name: str,
    identity: Identity,
    port: int,
    opts: pulumi.ResourceOptions,
    *,
    port_name: str,
    exposure: Exposure | None = None,
) -> k8s.core.v1.Service:
    """Create the Service `name`; a NodePort only when the exposure gives it a port, a ClusterIP otherwise.

    Let it depend on its workload: Pulumi waits for a Service's first endpoint, and a first image takes long to build.
    """
    node_port = None if exposure is None else exposure.node_port(name)
    return k8s.core.v1.Service(
        f"{name}-service",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=name, namespace=identity.namespace, labels=identity.labels),
        spec=k8s.core.v1.ServiceSpecArgs(
            type="ClusterIP" if node_port is None else "NodePort",
            selector=identity.selector,
            ports=[k8s.core.v1.ServicePortArgs(name=port_name, port=port, target_port=port_name, node_port=node_port)],
        ),
        opts=opts,
    )


def namespace(name: str, opts: pulumi.ResourceOptions, *, kept: bool) -> pulumi.Output[str]:
    """Create a namespace that admits only restricted pods and no connection that nobody allowed; return its name.

    kept: it outlives the stack. Deleting a namespace deletes every volume in it, so that is left to a person.
    """
    created = k8s.core.v1.Namespace(
        name,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=name,
            labels={f"{PREFIX}/part-of": PART_OF, "pod-security.kubernetes.io/enforce": "restricted"},
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=kept or None)),
    )
    deny_ingress(f"{name}-deny-ingress", created.metadata.name, opts)
    return created.metadata.name


def deny_ingress(
    name: str, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> k8s.networking.v1.NetworkPolicy:
    """Refuse every connection to pods of the namespace that no other policy allows."""
    return k8s.networking.v1.NetworkPolicy(
        name,
        metadata=k8s.meta.v1.ObjectMetaArgs(name="default-deny-ingress", namespace=namespace),
        spec=k8s.networking.v1.NetworkPolicySpecArgs(
            pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress"]
        ),
        opts=opts,
    )


def allow_ingress(
    name: str,
    identity: Identity,
    ports: Mapping[str, int],
    peers: Sequence[Peer],
    opts: pulumi.ResourceOptions,
    *,
    exposed: bool = False,
    networks: Sequence[str] = (),
) -> k8s.networking.v1.NetworkPolicy:
    """Let the peers and networks reach the workload's ports; everyone when it is exposed outside the cluster."""
    # An empty list of sources would mean all of them: without peers there must be no rule.
    rule = k8s.networking.v1.NetworkPolicyIngressRuleArgs(
        from_=None if exposed else [*(peer.arguments() for peer in peers), *map(_network, networks)],
        ports=[k8s.networking.v1.NetworkPolicyPortArgs(port=number) for number in ports.values()],
    )
    return k8s.networking.v1.NetworkPolicy(
        f"{name}-ingress",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=name, namespace=identity.namespace, labels=identity.labels),
        spec=k8s.networking.v1.NetworkPolicySpecArgs(
            pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=identity.selector),
            policy_types=["Ingress"],
            ingress=[rule] if exposed or peers or networks else [],
        ),
        opts=opts,
    )


def _network(cidr: str) -> k8s.networking.v1.NetworkPolicyPeerArgs:
    return k8s.networking.v1.NetworkPolicyPeerArgs(ip_block=k8s.networking.v1.IPBlockArgs(cidr=cidr))
