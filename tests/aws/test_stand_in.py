"""The stand-in for EKS refuses what EKS refuses: a check against something that takes anything proves nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from components.cluster.eks import CLUSTER_POLICIES, NODE_POLICIES
from tests.aws import eks_server
from tests.aws.eks import Eks, Refused

REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/"


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, Any]]:
    """What makes a cluster of Auto Mode, beside the roles and subnets that it names."""
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        iam, ec2 = boto3.client("iam", region_name=REGION), boto3.client("ec2", region_name=REGION)
        roles = {
            "cluster": ("eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"], CLUSTER_POLICIES),
            "nodes": ("ec2.amazonaws.com", ["sts:AssumeRole"], NODE_POLICIES),
            "pods": ("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"], ()),
        }
        for name, (service, actions, policies) in roles.items():
            trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
            for policy in policies:
                iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
            for n, zone in enumerate("ab")
        ]
        yield {
            "name": "c",
            "roleArn": f"{ROLE}cluster",
            "resourcesVpcConfig": {"subnetIds": [each["SubnetId"] for each in subnets]},
            "accessConfig": {"authenticationMode": "API"},
            "bootstrapSelfManagedAddons": False,
            "computeConfig": {"enabled": True, "nodePools": ["system"], "nodeRoleArn": f"{ROLE}nodes"},
            "storageConfig": {"blockStorage": {"enabled": True}},
            "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
        }


@pytest.fixture
def eks(account: dict[str, Any]) -> tuple[Eks, dict[str, Any]]:
    """An empty EKS there, and what makes a cluster."""
    return Eks(REGION), dict(account)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"storageConfig": {"blockStorage": {"enabled": False}}}, "Auto Mode is compute, disks and load balancers"),
        ({"bootstrapSelfManagedAddons": True}, "bootstrapSelfManagedAddons"),
        ({"accessConfig": {"authenticationMode": "CONFIG_MAP"}}, "access entries"),
        ({"roleArn": f"{ROLE}nodes"}, "does not let eks.amazonaws.com do sts:AssumeRole, sts:TagSession"),
        ({"roleArn": f"{ROLE}nobody"}, "does not exist"),
        ({"computeConfig": {"enabled": True, "nodePools": ["big"], "nodeRoleArn": f"{ROLE}nodes"}}, "node pools"),
        ({"nodePools": []}, "Unknown parameter"),
        ({"resourcesVpcConfig": {"subnetIds": ["subnet-00000000000000000"]}}, "does not exist"),
    ],
)
def test_a_cluster_that_eks_refuses(eks: tuple[Eks, dict[str, Any]], changed: dict[str, Any], said: str) -> None:
    """What the stand-in takes and EKS does not fails a quarter of an hour into the first `pulumi up`."""
    server, cluster = eks
    with pytest.raises(Refused, match=said):
        server.call("CreateCluster", {**cluster, **changed})


def test_a_cluster_is_made_once_with_what_belongs_to_it(eks: tuple[Eks, dict[str, Any]]) -> None:
    """Two associations of one service account, an entry for nobody, a policy that there is not."""
    server, cluster = eks
    server.call("CreateCluster", cluster)
    with pytest.raises(Refused, match="ResourceInUseException"):
        server.call("CreateCluster", cluster)
    pods = {"clusterName": "c", "namespace": "n", "serviceAccount": "trino", "roleArn": f"{ROLE}pods"}
    with pytest.raises(Refused, match=r"does not let pods\.eks\.amazonaws\.com"):
        server.call("CreatePodIdentityAssociation", {**pods, "roleArn": f"{ROLE}nodes"})
    server.call("CreatePodIdentityAssociation", pods)
    with pytest.raises(Refused, match="already"):
        server.call("CreatePodIdentityAssociation", pods)
    policy = {"clusterName": "c", "principalArn": f"{ROLE}ci", "accessScope": {"type": "cluster"}}
    known = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        server.call("AssociateAccessPolicy", {**policy, "policyArn": known})
    server.call("CreateAccessEntry", {"clusterName": "c", "principalArn": f"{ROLE}ci"})
    with pytest.raises(Refused, match="no access policy"):
        server.call("AssociateAccessPolicy", {**policy, "policyArn": f"{known}s"})
    server.call("AssociateAccessPolicy", {**policy, "policyArn": known})


def test_a_role_without_one_of_the_policies_is_refused(eks: tuple[Eks, dict[str, Any]]) -> None:
    """Auto Mode that makes no disks, found out when the first pod with a volume starts."""
    server, cluster = eks
    arn = "arn:aws:iam::aws:policy/AmazonEKSBlockStoragePolicy"
    iam = boto3.client("iam", region_name=REGION)
    iam.detach_role_policy(RoleName="cluster", PolicyArn=arn)
    try:
        with pytest.raises(Refused, match="AmazonEKSBlockStoragePolicy"):
            server.call("CreateCluster", cluster)
    finally:
        iam.attach_role_policy(RoleName="cluster", PolicyArn=arn)


def test_over_http_it_answers_as_eks_does() -> None:
    """An error that a client does not know is asked for again and again: a check that hangs in place of failing."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with eks_server.serve(REGION, "http://127.0.0.1:9") as endpoint:
        client = boto3.client("eks", region_name=REGION, endpoint_url=endpoint, **keys)
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="there is no cluster nobody"):
            client.describe_cluster(name="nobody")
        # An ARN in the path, with its slash.
        with pytest.raises(client.exceptions.ResourceNotFoundException, match=r"entry arn:aws:iam::1:role/ci"):
            client.describe_access_entry(clusterName="nobody", principalArn="arn:aws:iam::1:role/ci")
