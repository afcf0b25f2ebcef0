"""How Auto Mode starts nodes: the class of all nodes, a pool on demand, a pool on spot, and disks for volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.aws.account import Account, shared_tags
from components.aws.account import tags as component_tags
from components.aws.network import Network
from components.cluster.eks import Cluster
from components.connections import Placement
from components.settings.nodes import CAPACITY

NODE_CLASS = "headwater"
SPOT = Placement({CAPACITY: "spot"}, (f"{CAPACITY}:NoSchedule",))
# Auto Mode replaces a node after 21 days at the latest; sooner, on a working day's schedule, gets patches in earlier.
EXPIRE = "336h"
DRAIN = "1h"


class Nodes(pulumi.ComponentResource):
    """Node class, node pools, the default storage class, and the switch of network policies.

    `ready`: what pods need to be scheduled.
    """

    def __init__(
        self,
        name: str,
        account: Account,
        cluster: Cluster,
        network: Network,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:aws:Nodes", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=cluster.provider)
        configured = account.settings.cluster.nodes
        policies_on = k8s.core.v1.ConfigMap(
            "network-policies",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="amazon-vpc-cni", namespace="kube-system"),
            data={"enable-network-policy-controller": "true"},
            opts=child,
        )
        shared = k8s.apiextensions.CustomResource(
            "node-class",
            api_version="eks.amazonaws.com/v1",
            kind="NodeClass",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=NODE_CLASS),
            spec=node_class(
                cluster.node_role,
                network.private_subnet_ids,
                cluster.name,
                network.nodes.id,
                tags={**shared_tags(account.stack, account.settings), **component_tags("nodes")},
                disk=configured.disk,
            ),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[policies_on])),
        )
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[shared]))
        pools = [
            self._pool("on-demand", node_pool("on-demand", configured.architectures, configured.on_demand_cpu), after),
            self._pool("spot", node_pool("spot", configured.architectures, configured.spot_cpu), after),
        ]
        disks = k8s.storage.v1.StorageClass(
            "disks",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name="gp3", annotations={"storageclass.kubernetes.io/is-default-class": "true"}
            ),
            provisioner="ebs.csi.eks.amazonaws.com",
            parameters={"type": "gp3", "encrypted": "true"},
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Retain" if account.settings.deletion_protection else "Delete",
            opts=child,
        )
        self.ready: tuple[pulumi.Resource, ...] = (*pools, disks)
        self.register_outputs({})

    def _pool(
        self, name: str, spec: Mapping[str, Any], opts: pulumi.ResourceOptions
    ) -> k8s.apiextensions.CustomResource:
        return k8s.apiextensions.CustomResource(
            f"{name}-pool",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=f"headwater-{name}"),
            spec=dict(spec),
            opts=opts,
        )


def node_class(
    role: pulumi.Input[str],
    subnets: Sequence[pulumi.Input[str]],
    cluster: str,
    group: pulumi.Input[str],
    *,
    tags: Mapping[str, str],
    disk: str,
) -> dict[str, Any]:
    """Return the spec of all nodes: where they are, what they are allowed, and the size of their disk."""
    return {
        "role": role,
        "subnetSelectorTerms": [{"id": subnet} for subnet in subnets],
        # The cluster's own group lets nodes and control plane talk; ours is what the database knows them by.
        "securityGroupSelectorTerms": [{"tags": {"aws:eks:cluster-name": cluster}}, {"id": group}],
        "networkPolicy": "DefaultAllow",
        "networkPolicyEventLogs": "Disabled",
        "ephemeralStorage": {"size": disk},
        "tags": dict(tags),
    }


def node_pool(capacity: str, architectures: Sequence[str], cpu: int) -> dict[str, Any]:
    """Return the spec of a pool of `capacity` (on-demand or spot) with at most `cpu` cores.

    Spot nodes carry a taint: only what tolerates to be cut off goes there.
    """
    taints = [{"key": CAPACITY, "value": capacity, "effect": "NoSchedule"}] if capacity == "spot" else []
    requirements = [
        ("karpenter.sh/capacity-type", "In", [capacity]),
        ("kubernetes.io/arch", "In", list(architectures)),
        ("kubernetes.io/os", "In", ["linux"]),
        ("eks.amazonaws.com/instance-category", "In", ["c", "m", "r"]),
        ("eks.amazonaws.com/instance-generation", "Gt", ["4"]),
    ]
    return {
        "template": {
            "metadata": {"labels": {CAPACITY: capacity}},
            "spec": {
                "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": NODE_CLASS},
                "requirements": [
                    {"key": key, "operator": operator, "values": values} for key, operator, values in requirements
                ],
                "expireAfter": EXPIRE,
                "terminationGracePeriod": DRAIN,
                **({"taints": taints} if taints else {}),
            },
        },
        "limits": {"cpu": str(cpu)},
        # A node with work on it is left alone: what a fuller node saves, a query or a run begun anew costs.
        "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5m"},
    }
