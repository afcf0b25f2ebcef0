"""A stand-in for EKS's API, of which moto lacks Auto Mode, add-ons, access entries and Pod Identity.

It takes what AWS's own description of the API takes, and refuses what EKS refuses. Roles, policies and subnets are
those of the moto beside it.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from components.cluster.eks import CLUSTER_POLICIES, NODE_POLICIES

MODEL = botocore.session.get_session().get_service_model("eks")
CREATED = 1_700_000_000
GROUP = "sg-00000000000000eks"
NODE_POOLS = {"system", "general-purpose"}
ACCESS_POLICIES = {
    f"arn:aws:eks::aws:cluster-access-policy/AmazonEKS{name}Policy"
    for name in ("Admin", "AdminView", "ClusterAdmin", "Edit", "SecretReader", "View", "AutoNode")
}
Answer = dict[str, Any]


class Refused(Exception):
    """What EKS answers in place of doing it: the error's name and its message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


class Eks:
    """The state: what was made, and the checks that EKS makes first. endpoint: moto's; None within `mock_aws`."""

    def __init__(self, region: str, endpoint: str | None = None) -> None:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self._iam = boto3.client("iam", region_name=region, endpoint_url=endpoint, **keys)
        self._ec2 = boto3.client("ec2", region_name=region, endpoint_url=endpoint, **keys)
        self._arn = f"arn:aws:eks:{region}:123456789012"
        self._region = region
        self.made: dict[tuple[str, ...], Answer] = {}
        self._lock = threading.Lock()

    def call(self, operation: str, given: Mapping[str, Any]) -> Answer:
        """Do an operation. Raises Refused."""
        shape = MODEL.operation_model(operation).input_shape
        report = ParamValidator().validate(given, shape)
        if report.has_errors():
            raise Refused("InvalidParameterException", f"{operation}: {report.generate_report()}")
        with self._lock:
            return OPERATIONS[operation](self, dict(given))

    def keep(self, key: tuple[str, ...], value: Answer) -> Answer:
        """Keep something new. Raises Refused where there is one already."""
        if key in self.made:
            raise Refused("ResourceInUseException", f"{' '.join(key)} already exists")
        self.made[key] = {**value, "createdAt": CREATED, "modifiedAt": CREATED}
        return self.made[key]

    def found(self, *key: str) -> Answer:
        """Return what was kept. Raises Refused where there is none."""
        if key not in self.made:
            raise Refused("ResourceNotFoundException", f"there is no {' '.join(key)}")
        return self.made[key]

    def arn(self, kind: str, *names: str) -> str:
        """Return an ARN of the kind that EKS makes."""
        return f"{self._arn}:{'/'.join((kind, *names))}"

    def trusted(self, role: str, service: str, *actions: str) -> set[str]:
        """Return the names of a role's managed policies. Raises Refused where the service may not take the role."""
        name = role.rsplit("/", 1)[-1]
        try:
            document = self._iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        except ClientError as error:
            raise Refused("InvalidParameterException", f"role {role} does not exist") from error
        allowed: set[str] = set()
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow" and service in listed(statement["Principal"].get("Service")):
                allowed |= set(listed(statement["Action"]))
        if missing := set(actions) - allowed:
            raise Refused("InvalidParameterException", f"{role} does not let {service} do {', '.join(sorted(missing))}")
        attached = self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {each["PolicyName"] for each in attached}

    def zones(self, subnets: list[str]) -> set[str]:
        """Return the zones of subnets, which must be there."""
        try:
            found = self._ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
        except ClientError as error:
            raise Refused("InvalidParameterException", str(error)) from error
        return {each["AvailabilityZone"] for each in found}


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def create_cluster(eks: Eks, given: Answer) -> Answer:
    name, vpc = given["name"], given["resourcesVpcConfig"]
    compute, network = given.get("computeConfig", {}), given.get("kubernetesNetworkConfig", {})
    storage = given.get("storageConfig", {}).get("blockStorage", {})
    switches = (compute.get("enabled"), storage.get("enabled"), network.get("elasticLoadBalancing", {}).get("enabled"))
    if switches != (True, True, True):
        raise Refused("InvalidParameterException", f"Auto Mode is compute, disks and load balancers: {switches}")
    if given.get("bootstrapSelfManagedAddons") is not False:
        raise Refused("InvalidParameterException", "Auto Mode needs bootstrapSelfManagedAddons false")
    if given.get("accessConfig", {}).get("authenticationMode") not in {"API", "API_AND_CONFIG_MAP"}:
        raise Refused("InvalidParameterException", "Auto Mode needs access entries: authenticationMode API")
    if strange := set(compute["nodePools"]) - NODE_POOLS:
        raise Refused("InvalidParameterException", f"there are no node pools {sorted(strange)}")
    attached = eks.trusted(given["roleArn"], "eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    if missing := set(CLUSTER_POLICIES) - attached:
        raise Refused("InvalidParameterException", f"the cluster's role lacks {sorted(missing)}")
    if missing := set(NODE_POLICIES) - eks.trusted(compute["nodeRoleArn"], "ec2.amazonaws.com", "sts:AssumeRole"):
        raise Refused("InvalidParameterException", f"the nodes' role lacks {sorted(missing)}")
    if len(eks.zones(vpc["subnetIds"])) < 2:
        raise Refused("InvalidParameterException", "subnets must be in at least two zones")
    kept = {
        key: value for key, value in given.items() if key not in {"bootstrapSelfManagedAddons", "clientRequestToken"}
    }
    made = {
        **kept, "arn": eks.arn("cluster", name), "status": "ACTIVE", "platformVersion": "eks.1",
        "endpoint": f"https://{name}.eks.invalid", "certificateAuthority": {"data": "Q0VSVElGSUNBVEU="},
        "identity": {"oidc": {"issuer": f"https://oidc.eks.invalid/id/{name}"}},
        "resourcesVpcConfig": {"publicAccessCidrs": ["0.0.0.0/0"], **vpc, "vpcId": "vpc-0", "securityGroupIds": [],
                               "clusterSecurityGroupId": GROUP},
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", **network},
    }  # fmt: skip
    return {"cluster": eks.keep(("cluster", name), made)}


def update_cluster(eks: Eks, given: Answer) -> Answer:
    cluster = eks.found("cluster", given.pop("name"))
    for key, value in given.items():
        cluster[key] = {**cluster.get(key, {}), **value} if isinstance(value, dict) else value
    return {"update": {"id": str(uuid.uuid4()), "status": "Successful", "type": "EndpointAccessUpdate", "params": []}}


def delete_cluster(eks: Eks, given: Answer) -> Answer:
    cluster = eks.found("cluster", given["name"])
    if cluster.get("deletionProtection"):
        raise Refused("InvalidRequestException", "the cluster has deletion protection")
    for key in [each for each in eks.made if each[0] == "cluster" and each[1] == given["name"]]:
        del eks.made[key]
    return {"cluster": {**cluster, "status": "DELETING"}}


def create_addon(eks: Eks, given: Answer) -> Answer:
    cluster, name = given["clusterName"], given["addonName"]
    eks.found("cluster", cluster)
    try:
        json.loads(given.get("configurationValues") or "{}")
    except ValueError as error:
        raise Refused("InvalidParameterException", f"configurationValues: {error}") from error
    made = {key: value for key, value in given.items() if key not in {"resolveConflicts", "clientRequestToken"}}
    made |= {"status": "ACTIVE", "addonVersion": given.get("addonVersion", "v1.0.0-eksbuild.1"),
             "addonArn": eks.arn("addon", cluster, name), "health": {"issues": []}}  # fmt: skip
    return {"addon": eks.keep(("cluster", cluster, "addon", name), made)}


def create_identity(eks: Eks, given: Answer) -> Answer:
    cluster = given["clusterName"]
    eks.found("cluster", cluster)
    eks.trusted(given["roleArn"], "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    for each in identities(eks, cluster):
        if (each["namespace"], each["serviceAccount"]) == (given["namespace"], given["serviceAccount"]):
            raise Refused("ResourceInUseException", f"{each['serviceAccount']} has an association already")
    number = f"a-{uuid.uuid4().hex[:17]}"
    made = {**given, "associationId": number, "associationArn": eks.arn("podidentityassociation", cluster, number)}
    return {"association": eks.keep(("cluster", cluster, "identity", number), made)}


def identities(eks: Eks, cluster: str) -> list[Answer]:
    return [value for key, value in eks.made.items() if key[:3] == ("cluster", cluster, "identity")]


def create_entry(eks: Eks, given: Answer) -> Answer:
    cluster, principal = given["clusterName"], given["principalArn"]
    eks.found("cluster", cluster)
    made = {**given, "accessEntryArn": eks.arn("access-entry", cluster, uuid.uuid4().hex), "username": principal,
            "type": given.get("type", "STANDARD"), "kubernetesGroups": given.get("kubernetesGroups", []),
            "tags": given.get("tags", {})}  # fmt: skip
    return {"accessEntry": eks.keep(("cluster", cluster, "entry", principal), made)}


def associate_policy(eks: Eks, given: Answer) -> Answer:
    cluster, principal, policy = given["clusterName"], given["principalArn"], given["policyArn"]
    eks.found("cluster", cluster, "entry", principal)
    if policy not in ACCESS_POLICIES:
        raise Refused("InvalidParameterException", f"there is no access policy {policy}")
    made = {"policyArn": policy, "accessScope": {"namespaces": [], **given["accessScope"]}, "associatedAt": CREATED}
    key = ("cluster", cluster, "policy", principal, policy)
    eks.made[key] = made
    return {"clusterName": cluster, "principalArn": principal, "associatedAccessPolicy": made}


def policies_of(eks: Eks, given: Answer) -> Answer:
    key = ("cluster", given["clusterName"], "policy", given["principalArn"])
    eks.found("cluster", given["clusterName"], "entry", given["principalArn"])
    found = [value for name, value in eks.made.items() if name[:4] == key]
    return {"clusterName": key[1], "principalArn": key[3], "associatedAccessPolicies": found}


def kept(answer: str, kind: str, argument: str, *, remove: bool = False) -> Callable[[Eks, Answer], Answer]:
    """Return the operation that shows, or removes, what a cluster has of a kind."""

    def operation(eks: Eks, given: Answer) -> Answer:
        key = ("cluster", given["clusterName"], kind, given[argument])
        found = eks.found(*key)
        if remove:
            del eks.made[key]
        return {answer: found} if answer else {}

    return operation


def remove_policy(eks: Eks, given: Answer) -> Answer:
    key = ("cluster", given["clusterName"], "policy", given["principalArn"], given["policyArn"])
    eks.found(*key)
    del eks.made[key]
    return {}


def tags_of(eks: Eks, given: Answer) -> Answer:
    arn = given["resourceArn"]
    return {"tags": next((each.get("tags", {}) for each in eks.made.values() if arn in each.values()), {})}


OPERATIONS: Mapping[str, Callable[[Eks, Answer], Answer]] = {
    "CreateCluster": create_cluster,
    "DescribeCluster": lambda eks, given: {"cluster": eks.found("cluster", given["name"])},
    "UpdateClusterConfig": update_cluster,
    "DescribeUpdate": lambda _, given: {"update": {"id": given["updateId"], "status": "Successful", "params": []}},
    "DeleteCluster": delete_cluster,
    "CreateAddon": create_addon,
    "DescribeAddon": kept("addon", "addon", "addonName"),
    "DeleteAddon": kept("addon", "addon", "addonName", remove=True),
    "CreatePodIdentityAssociation": create_identity,
    "DescribePodIdentityAssociation": kept("association", "identity", "associationId"),
    "DeletePodIdentityAssociation": kept("association", "identity", "associationId", remove=True),
    "ListPodIdentityAssociations": lambda eks, given: {"associations": identities(eks, given["clusterName"])},
    "CreateAccessEntry": create_entry,
    "DescribeAccessEntry": kept("accessEntry", "entry", "principalArn"),
    "DeleteAccessEntry": kept("", "entry", "principalArn", remove=True),
    "AssociateAccessPolicy": associate_policy,
    "ListAssociatedAccessPolicies": policies_of,
    "DisassociateAccessPolicy": remove_policy,
    "ListTagsForResource": tags_of,
}
