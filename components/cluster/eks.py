"""The EKS cluster in Auto Mode: AWS runs the nodes, their disks, load balancers and network policies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from components.aws import policies
from components.aws.account import Account, tags
from components.aws.network import HTTPS, Network

COMPONENT = "cluster"
LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
# https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html
CLUSTER_POLICIES = (
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
NODE_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
# Reads everything, Secrets and custom resources too: what a refresh compares.
VIEWER = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminViewPolicy"


class Cluster(pulumi.ComponentResource):
    """The cluster, named like the stack; `provider` talks to it, `node_role` is the name of its nodes' role."""

    def __init__(
        self,
        name: str,
        account: Account,
        network: Network,
        key: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:aws:Cluster", name, None, opts)
        self._account, self._child = account, account.child(self)
        configured = account.settings.cluster
        self.name = account.name()
        role, attached = self._role(
            "cluster", "eks.amazonaws.com", CLUSTER_POLICIES, ("sts:AssumeRole", "sts:TagSession")
        )
        tagging = aws.iam.RolePolicy(
            "cluster-tagging", role=role.name, policy=policies.document(tagging_statements()), opts=self._child
        )
        nodes, nodes_attached = self._role("nodes", "ec2.amazonaws.com", NODE_POLICIES, ("sts:AssumeRole",))
        self.node_role = nodes.name
        logs = aws.cloudwatch.LogGroup(
            "cluster-logs",
            # EKS writes to the group of this name, and would make it without an end to its retention.
            name=f"/aws/eks/{self.name}/cluster",
            retention_in_days=account.settings.retention.log_days,
            kms_key_id=key,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        cluster = aws.eks.Cluster(
            "cluster",
            name=self.name,
            version=configured.version,
            role_arn=role.arn,
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            # Auto Mode brings networking, DNS, disks and Pod Identity; they are no add-ons then.
            bootstrap_self_managed_addons=False,
            compute_config=aws.eks.ClusterComputeConfigArgs(
                enabled=True, node_pools=["system"], node_role_arn=nodes.arn
            ),
            storage_config=aws.eks.ClusterStorageConfigArgs(
                block_storage=aws.eks.ClusterStorageConfigBlockStorageArgs(enabled=True)
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                ip_family="ipv4",
                elastic_load_balancing=aws.eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(enabled=True),
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=network.private_subnet_ids,
                endpoint_private_access=True,
                endpoint_public_access=bool(configured.public_access),
                public_access_cidrs=configured.public_access if configured.public_access else None,
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key), resources=["secrets"]
            ),
            enabled_cluster_log_types=list(LOGS),
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            deletion_protection=account.settings.deletion_protection,
            tags=tags(COMPONENT),
            opts=account.child(self, *attached, *nodes_attached, tagging, logs, *network.ready),
        )
        self.cluster_name: pulumi.Output[str] = cluster.name
        # The deployment's role comes in with the other one of CI; EKS refuses an identity that is in already.
        deploys = account.arn("iam", f"role/{account.name('ci-deploy')}") if account.settings.ci is not None else None
        others = [principal for principal in configured.administrators if principal != deploys]
        for number, principal in enumerate(others):
            self.admit(f"administrator-{number}", principal, ADMINISTRATOR)
        # EKS makes it with the cluster; in the SDK's types it may be missing.
        group = cluster.vpc_config.apply(lambda network: cast("str", network.cluster_security_group_id))
        reached = self._private_access(group, configured.private_access)
        self.provider = k8s.Provider(
            "cluster",
            kubeconfig=pulumi.Output.all(cluster.name, cluster.endpoint, cluster.certificate_authority).apply(
                lambda known: kubeconfig(known[0], known[1], known[2]["data"], account.region)
            ),
            # Changed in place: pods roll by their configuration hash, and at no moment is there no ConfigMap.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=reached),
        )
        self.register_outputs({"name": cluster.name})

    def add_on(
        self, name: str, *after: pulumi.Resource, configuration: Mapping[str, object] | None = None
    ) -> aws.eks.Addon:
        """Install an EKS add-on, in the version that EKS has for the cluster's. configuration: of the add-on's own."""
        return aws.eks.Addon(
            name,
            addon_name=name,
            cluster_name=self.cluster_name,
            configuration_values=None if configuration is None else json.dumps(configuration, sort_keys=True),
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="PRESERVE",
            tags=tags(COMPONENT),
            opts=self._account.child(self, *after),
        )

    def _private_access(self, group: pulumi.Output[str], networks: Sequence[str]) -> list[pulumi.Resource]:
        """Let networks reach the API inside the VPC; its security group, EKS's own, admits nothing but itself."""
        return [
            aws.vpc.SecurityGroupIngressRule(
                f"api-from-network-{number}",
                security_group_id=group,
                description="The cluster's API, from a network that reaches the VPC",
                ip_protocol="tcp",
                from_port=HTTPS,
                to_port=HTTPS,
                cidr_ipv4=cidr,
                tags=tags(COMPONENT),
                opts=self._child,
            )
            for number, cidr in enumerate(networks)
        ]

    def _role(
        self, name: str, service: str, managed: tuple[str, ...], actions: tuple[str, ...]
    ) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        role = aws.iam.Role(
            f"{name}-role",
            name=self._account.name(name),
            assume_role_policy=policies.document([policies.trust({"Service": service}, actions)]),
            permissions_boundary=self._account.boundary,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        attached: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=self._child
            )
            for policy in managed
        ]
        return role, attached

    def admit(self, name: str, principal: pulumi.Input[str], policy: str) -> None:
        """Let an identity of AWS into the cluster, with one of EKS's access policies (its ARN)."""
        entry = aws.eks.AccessEntry(
            name,
            cluster_name=self.cluster_name,
            principal_arn=principal,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        aws.eks.AccessPolicyAssociation(
            f"{name}-policy",
            cluster_name=self.cluster_name,
            principal_arn=entry.principal_arn,
            policy_arn=policy,
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=self._child,
        )


def tagging_statements() -> list[policies.Statement]:
    """Return what lets Auto Mode give nodes and disks the stack's tags; without it only EKS's own tags are allowed.

    https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html#tag-prop
    """
    ours = {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}
    nodes = {"aws:RequestTag/eks:kubernetes-node-class-name": "*", "aws:RequestTag/eks:kubernetes-node-pool-name": "*"}
    launch = ["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate"]
    interface = {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"}
    disks = ["arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:snapshot/*"]
    return [
        policies.allow("Compute", launch, ["*"], {"StringEquals": ours, "StringLike": nodes}),
        policies.allow("Storage", ["ec2:CreateVolume", "ec2:CreateSnapshot"], disks, {"StringEquals": ours}),
        policies.allow(
            "Networking", ["ec2:CreateNetworkInterface"], ["*"], {"StringEquals": ours, "StringLike": interface}
        ),
    ]


def kubeconfig(name: str, endpoint: str, authority: str, region: str) -> str:
    """Return a kubeconfig that asks the AWS CLI for a token; no credential is in it."""
    arguments = ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"]
    client = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "args": arguments}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"exec": {**client, "interactiveMode": "Never"}}}],
        }
    )
