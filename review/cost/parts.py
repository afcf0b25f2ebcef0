"""The quantities that each type of resource is billed for; the prices of the quantities are in prices.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from review.cost.tables import Usage
from review.resources import Resource, known

_GIB = {"Gi": 1.0, "Mi": 1 / 1024, "Ti": 1024.0}


@dataclass(frozen=True)
class Part:
    """One part of a resource's bill: `quantity` at the price of that name. what: said to the reader.

    times: the name of a second price, a share, by which the first is multiplied.
    """

    price: str
    quantity: float
    what: str
    times: str | None = None


Parts = Iterator[Part]


class Unpriced(Exception):
    """A resource that costs money, whose price can't be told; the message says why."""


def _input(resource: Resource, *path: str, default: object = None) -> object:
    """Return an input; the default where it is missing. Raises Unpriced where only the update will know it."""
    value = resource.at(*path)
    if value is None:
        if default is None:
            raise Unpriced(f"{'.'.join(path)} is missing")
        return default
    if not known(value):
        raise Unpriced(f"{'.'.join(path)} is not known before the update")
    return value


def _number(resource: Resource, *path: str, default: float | None = None) -> float:
    value = _input(resource, *path, default=default)
    return float(value) if isinstance(value, (int, float, str)) else 0.0


def _cluster(resource: Resource, usage: Usage) -> Parts:
    # Its nodes are worked out from all pods: review/nodes.py.
    yield Part("eks.cluster", usage.hours, "control plane")
    if resource.at("computeConfig", "enabled") is not True:
        raise Unpriced("its nodes are not Auto Mode's, and no node group is priced")


def _often(usage: Usage) -> str:
    return "" if usage.awake == 1 else f", {usage.awake:.0%} of the time"


def _database(resource: Resource, usage: Usage) -> Parts:
    zones = 2 if resource.at("multiAz") is True else 1
    kind = str(_input(resource, "instanceClass"))
    size = _number(resource, "allocatedStorage")
    storage = str(_input(resource, "storageType", default="gp2"))
    where = "two zones" if zones == 2 else "one zone"
    yield Part(f"rds.{kind}", usage.hours * usage.awake * zones, f"{kind} in {where}{_often(usage)}")
    yield Part(f"rds.storage.{storage}", size * zones, f"{size:g} GB {storage} in {where}")
    if resource.at("manageMasterUserPassword") is True:
        yield Part("secretsmanager.secret", 1, "the master password's secret")


def _endpoint(resource: Resource, usage: Usage) -> Parts:
    if resource.at("vpcEndpointType") != "Interface":
        return
    subnets = _input(resource, "subnetIds")
    zones = len(subnets) if isinstance(subnets, (list, tuple)) else 1
    yield Part("vpc.interface_endpoint", usage.hours * zones, f"{zones} zone{'s' if zones > 1 else ''}")
    yield Part("vpc.interface_endpoint.data", usage.endpoint_gb, f"{usage.endpoint_gb:g} GB through it")


def _bucket(resource: Resource, usage: Usage) -> Parts:
    size = usage.gb.get(resource.label, usage.bucket_gb)
    # Requests go where the data is.
    share = 1.0 if resource.label in usage.gb else 0.01
    writes, reads = usage.bucket_writes * share, usage.bucket_reads * share
    yield Part("s3.standard", size, f"{size:g} GB")
    yield Part("s3.requests.write", writes / 1000, f"{writes:,.0f} writes")
    yield Part("s3.requests.read", reads / 1000, f"{reads:,.0f} reads")


def _logs(resource: Resource, usage: Usage) -> Parts:
    size = usage.gb.get(resource.label, usage.log_gb)
    yield Part("cloudwatch.logs", size, f"{size:g} GB taken in")


def _nat(_: Resource, usage: Usage) -> Parts:
    yield Part("vpc.nat_gateway", usage.hours, "around the clock")
    yield Part("vpc.nat_gateway.data", usage.nat_gb, f"{usage.nat_gb:g} GB through it")


def _key(resource: Resource, usage: Usage) -> Parts:
    yield Part("kms.key", 1, "the key")
    if resource.at("enableKeyRotation") is True:
        # Each year's version costs as much as the key, from the third on nothing.
        rotated = min(usage.key_rotations, 2)
        yield Part("kms.key", rotated, f"{rotated:g} older versions")
    yield Part("kms.requests", usage.kms_requests / 10_000, f"{usage.kms_requests:,.0f} requests")


def _balancer(_: Resource, usage: Usage) -> Parts:
    yield Part("elb.alb", usage.hours, "load balancer")
    units = usage.load_balancer_units
    yield Part("elb.alb.lcu", usage.hours * units, f"{units:g} capacity units")


def _own_balancer(resource: Resource, usage: Usage) -> Parts:
    yield from _balancer(resource, usage)
    if resource.at("internal") is not True:
        subnets = _input(resource, "subnets")
        zones = len(subnets) if isinstance(subnets, (list, tuple)) else 1
        yield Part("vpc.public_ipv4", usage.hours * zones, f"public addresses in {zones} zones")


def _ingress(resource: Resource, usage: Usage) -> Parts:
    if resource.at("spec", "ingressClassName") is not None:
        yield from _balancer(resource, usage)


def _service(resource: Resource, usage: Usage) -> Parts:
    if resource.at("spec", "type") == "LoadBalancer":
        yield from _balancer(resource, usage)


def _claims(resource: Resource, _: Usage) -> Parts:
    for claim in resource.at("spec", "volumeClaimTemplates") or []:
        size = gigabytes(str(claim["spec"]["resources"]["requests"]["storage"]))
        replicas = float(resource.at("spec", "replicas") or 1)
        yield Part("ebs.gp3", size * replicas, f"{size * replicas:g} GB gp3")


def _claim(resource: Resource, _: Usage) -> Parts:
    size = gigabytes(str(_input(resource, "spec", "resources", "requests", "storage")))
    yield Part("ebs.gp3", size, f"{size:g} GB gp3")


def gigabytes(quantity: str) -> float:
    """Return the GB (AWS's, which are 2^30 bytes) of a size such as 20Gi. Raises Unpriced for another notation."""
    unit = quantity[-2:]
    if unit not in _GIB:
        raise Unpriced(f"the size {quantity!r} has none of the units {', '.join(_GIB)}")
    return float(quantity[:-2]) * _GIB[unit]


def _add_on(resource: Resource, usage: Usage) -> Parts:
    # The only add-on that is paid for: by the values that it sends, some hundreds a minute from each node.
    if resource.at("addonName") == "amazon-cloudwatch-observability":
        millions = usage.observations_million
        yield Part("cloudwatch.observations", millions, f"{millions:g} million values of nodes and containers")


def _dashboard(_: Resource, usage: Usage) -> Parts:
    yield Part("cloudwatch.dashboard", 1, "the dashboard")
    yield Part("cloudwatch.metric", usage.metrics, f"{usage.metrics:g} metrics of the pipeline that it shows")


def _hourly(price: str, what: str) -> Callable[[Resource, Usage], Parts]:
    return lambda _, usage: iter((Part(price, usage.hours, what),))


def _monthly(price: str, what: str) -> Callable[[Resource, Usage], Parts]:
    return lambda _resource, _usage: iter((Part(price, 1, what),))


RULES: Mapping[str, Callable[[Resource, Usage], Parts]] = {
    "aws:eks/cluster:Cluster": _cluster,
    "aws:rds/instance:Instance": _database,
    "aws:ec2/natGateway:NatGateway": _nat,
    "aws:ec2/eip:Eip": _hourly("vpc.public_ipv4", "public address"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketV2:BucketV2": _bucket,
    "aws:kms/key:Key": _key,
    "aws:secretsmanager/secret:Secret": _monthly("secretsmanager.secret", "the secret"),
    "aws:ecr/repository:Repository": lambda _, usage: iter(
        (Part("ecr.storage", usage.repository_gb, f"{usage.repository_gb:g} GB of images"),)
    ),
    "aws:cloudwatch/logGroup:LogGroup": _logs,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _monthly("cloudwatch.alarm", "the alarm"),
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
    "aws:eks/addon:Addon": _add_on,
    "aws:lb/loadBalancer:LoadBalancer": _own_balancer,
    "kubernetes:networking.k8s.io/v1:Ingress": _ingress,
    "kubernetes:core/v1:Service": _service,
    "kubernetes:apps/v1:StatefulSet": _claims,
    "kubernetes:core/v1:PersistentVolumeClaim": _claim,
}
# Of these AWS asks nothing for being there. A schedule is free up to 14 million calls a month.
FREE_SERVICES = frozenset({"iam", "vpc", "acm", "budgets", "scheduler", "index"})
FREE = frozenset(
    {
        *(f"aws:ec2/{name[0].lower()}{name[1:]}:{name}" for name in (
            "Vpc", "Subnet", "RouteTable", "RouteTableAssociation", "Route", "InternetGateway", "SecurityGroup",
            "SecurityGroupRule", "FlowLog", "DefaultSecurityGroup", "NetworkAcl", "VpcEndpointRouteTableAssociation",
        )),
        *(f"aws:s3/{name[0].lower()}{name[1:]}:{name}" for name in (
            "BucketPolicy", "BucketPublicAccessBlock", "BucketOwnershipControls", "BucketVersioning", "BucketLogging",
            "BucketServerSideEncryptionConfiguration", "BucketLifecycleConfiguration", "BucketNotification",
            "BucketIntelligentTieringConfiguration",
        )),
        *(f"aws:eks/{name[0].lower()}{name[1:]}:{name}" for name in (
            "AccessEntry", "AccessPolicyAssociation", "PodIdentityAssociation",
        )),
        *(f"aws:rds/{name[0].lower()}{name[1:]}:{name}" for name in ("SubnetGroup", "ParameterGroup")),
        *(f"aws:lb/{name[0].lower()}{name[1:]}:{name}" for name in ("Listener", "ListenerRule", "TargetGroup")),
        # Queries for an alias of AWS's own, and a few thousand for the others, cost nothing worth a line.
        "aws:route53/record:Record",
        "aws:kms/alias:Alias", "aws:kms/keyPolicy:KeyPolicy", "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy", "aws:glue/catalogDatabase:CatalogDatabase",
        "aws:secretsmanager/secretVersion:SecretVersion", "aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription", "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
    }
)  # fmt: skip
