"""The VPC: private subnets for nodes and database, public ones for load balancers, and their routes to the outside."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.account import Account, tags

COMPONENT = "network"
ANYWHERE = "0.0.0.0/0"
HTTPS = 443
# AWS APIs that pods and nodes call; through these endpoints the traffic stays in the VPC and off the NAT gateways.
INTERFACE_ENDPOINTS = ("ecr.api", "ecr.dkr", "sts", "glue", "secretsmanager", "logs", "monitoring", "eks-auth")


@dataclass(frozen=True)
class Subnets:
    """Ranges of the subnets of a VPC, one of each kind a zone; internal: for load balancers without public address."""

    private: tuple[str, ...]
    public: tuple[str, ...]
    internal: tuple[str, ...]


def subnets(cidr: str, zones: int) -> Subnets:
    """Return the ranges: a quarter of the VPC for the nodes of each zone, the last quarter for load balancers."""
    *private, rest = ipaddress.ip_network(cidr).subnets(prefixlen_diff=2)
    *public, last = rest.subnets(prefixlen_diff=2)
    kinds = (private, public, list(last.subnets(prefixlen_diff=2)))
    return Subnets(*(tuple(str(network) for network in kind[:zones]) for kind in kinds))


class Network(pulumi.ComponentResource):
    """The VPC, its subnets and `nodes`, the security group that every node carries.

    `ready`: what makes traffic leave a private subnet; a node that starts without it cannot join its cluster.
    """

    def __init__(
        self,
        name: str,
        account: Account,
        key: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:aws:Network", name, None, opts)
        self._account, self._child = account, account.child(self)
        configured = account.settings.network
        self._vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=configured.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=tags(COMPONENT, account.name("vpc")),
            opts=self._child,
        )
        self.vpc_id = self._vpc.id
        # Nothing uses the default group; without rules nothing that lands in it by mistake is open.
        aws.ec2.DefaultSecurityGroup("default-closed", vpc_id=self.vpc_id, tags=tags(COMPONENT), opts=self._child)
        self._flow_logs(key)
        ranges = subnets(configured.cidr, len(configured.zones))
        public = [self._subnet("public", *place) for place in zip(configured.zones, ranges.public, strict=True)]
        private = [self._subnet("private", *place) for place in zip(configured.zones, ranges.private, strict=True)]
        outward = self._public_routes(public)
        gateways = public if configured.nat_gateways == "per_zone" else public[:1]
        exits = [
            self._nat_gateway(zone, subnet, outward)
            for zone, subnet in zip(configured.zones[: len(gateways)], gateways, strict=True)
        ]
        self._tables, routes = self._private_routes(private, exits)
        self.private_subnet_ids = [subnet.id for subnet in private]
        self._public_subnet_ids = [subnet.id for subnet in public]
        self.nodes = self._security_group("nodes", "Nodes of the cluster")
        aws.vpc.SecurityGroupEgressRule(
            "nodes-egress",
            security_group_id=self.nodes.id,
            description="Nodes reach AWS, the sources of data and image registries",
            ip_protocol="-1",
            cidr_ipv4=ANYWHERE,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        endpoints = self._endpoints(self._tables)
        self.ready: tuple[pulumi.Resource, ...] = (*routes, *endpoints)
        self.register_outputs({"vpc": self.vpc_id})

    def load_balancer_subnets(self, scheme: str) -> list[pulumi.Output[str]]:
        """Return where a load balancer of that scheme is: no pod is there, so a policy can tell one from the other.

        The subnets of internal ones are made by this call; they reach the internet through the NAT gateways.
        """
        if scheme == "internet-facing":
            return self._public_subnet_ids
        zones = self._account.settings.network.zones
        ranges = subnets(self._account.settings.network.cidr, len(zones)).internal
        made = [self._subnet("internal", zone, cidr) for zone, cidr in zip(zones, ranges, strict=True)]
        for zone, subnet, table in zip(zones, made, self._tables, strict=True):
            aws.ec2.RouteTableAssociation(
                f"internal-{zone}-routes", route_table_id=table.id, subnet_id=subnet.id, opts=self._child
            )
        return [subnet.id for subnet in made]

    def _subnet(self, kind: str, zone: str, cidr: str) -> aws.ec2.Subnet:
        # Load balancers find their subnets by these tags.
        role = "elb" if kind == "public" else "internal-elb"
        return aws.ec2.Subnet(
            f"{kind}-{zone}",
            vpc_id=self.vpc_id,
            cidr_block=cidr,
            availability_zone=f"{self._account.region}{zone}",
            map_public_ip_on_launch=False,
            tags=tags(COMPONENT, self._account.name(kind, zone)) | {f"kubernetes.io/role/{role}": "1"},
            opts=self._child,
        )

    def _public_routes(self, public: list[aws.ec2.Subnet]) -> aws.ec2.Route:
        gateway = aws.ec2.InternetGateway(
            "internet", vpc_id=self.vpc_id, tags=tags(COMPONENT, self._account.name("internet")), opts=self._child
        )
        table = self._route_table("public")
        for zone, subnet in zip(self._account.settings.network.zones, public, strict=True):
            aws.ec2.RouteTableAssociation(
                f"public-{zone}-routes", route_table_id=table.id, subnet_id=subnet.id, opts=self._child
            )
        return aws.ec2.Route(
            "public-outward",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )

    def _nat_gateway(self, zone: str, subnet: aws.ec2.Subnet, outward: aws.ec2.Route) -> aws.ec2.NatGateway:
        name = self._account.name("nat", zone)
        address = aws.ec2.Eip(f"nat-{zone}-address", domain="vpc", tags=tags(COMPONENT, name), opts=self._child)
        return aws.ec2.NatGateway(
            f"nat-{zone}",
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=tags(COMPONENT, name),
            opts=self._account.child(self, outward),
        )

    def _private_routes(
        self, private: list[aws.ec2.Subnet], exits: list[aws.ec2.NatGateway]
    ) -> tuple[list[aws.ec2.RouteTable], list[pulumi.Resource]]:
        tables: list[aws.ec2.RouteTable] = []
        routes: list[pulumi.Resource] = []
        for number, (zone, subnet) in enumerate(zip(self._account.settings.network.zones, private, strict=True)):
            table = self._route_table("private", zone)
            tables.append(table)
            routes.append(
                aws.ec2.Route(
                    f"private-{zone}-outward",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    nat_gateway_id=exits[number % len(exits)].id,
                    opts=self._child,
                )
            )
            routes.append(
                aws.ec2.RouteTableAssociation(
                    f"private-{zone}-routes", route_table_id=table.id, subnet_id=subnet.id, opts=self._child
                )
            )
        return tables, routes

    def _route_table(self, *parts: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            "-".join((*parts, "table")),
            vpc_id=self.vpc_id,
            tags=tags(COMPONENT, self._account.name(*parts)),
            opts=self._child,
        )

    def _security_group(self, name: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            name,
            name=self._account.name(name),
            description=description,
            vpc_id=self.vpc_id,
            tags=tags(COMPONENT, self._account.name(name)),
            opts=self._child,
        )

    def _endpoints(self, tables: list[aws.ec2.RouteTable]) -> list[pulumi.Resource]:
        configured = self._account.settings.network
        service = f"com.amazonaws.{self._account.region}"
        made: list[pulumi.Resource] = [
            aws.ec2.VpcEndpoint(
                "endpoint-s3",
                vpc_id=self.vpc_id,
                service_name=f"{service}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
                tags=tags(COMPONENT, self._account.name("s3")),
                opts=self._child,
            )
        ]
        group = self._security_group("endpoints", "AWS APIs inside the VPC")
        aws.vpc.SecurityGroupIngressRule(
            "endpoints-ingress",
            security_group_id=group.id,
            description="HTTPS from the VPC",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            cidr_ipv4=configured.cidr,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        zones = self.private_subnet_ids if configured.interface_endpoints == "per_zone" else self.private_subnet_ids[:1]
        for api in INTERFACE_ENDPOINTS:
            made.append(
                aws.ec2.VpcEndpoint(
                    f"endpoint-{api.replace('.', '-')}",
                    vpc_id=self.vpc_id,
                    service_name=f"{service}.{api}",
                    vpc_endpoint_type="Interface",
                    private_dns_enabled=True,
                    subnet_ids=zones,
                    security_group_ids=[group.id],
                    tags=tags(COMPONENT, self._account.name(api)),
                    opts=self._child,
                )
            )
        return made

    def _flow_logs(self, key: pulumi.Input[str]) -> None:
        group = aws.cloudwatch.LogGroup(
            "flow-logs",
            name=f"/{self._account.settings.prefix}/flow-logs",
            retention_in_days=self._account.settings.retention.log_days,
            kms_key_id=key,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        role = aws.iam.Role(
            "flow-logs-role",
            name=self._account.name("flow-logs"),
            assume_role_policy=policies.document(
                [
                    policies.trust(
                        {"Service": "vpc-flow-logs.amazonaws.com"},
                        StringEquals={"aws:SourceAccount": self._account.settings.account},
                    )
                ]
            ),
            permissions_boundary=self._account.boundary,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        write = aws.iam.RolePolicy(
            "flow-logs-write",
            role=role.name,
            policy=group.arn.apply(
                lambda arn: policies.document(
                    [
                        policies.allow(
                            "Write",
                            ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                            [f"{arn}:*"],
                        ),
                        policies.allow("Find", ["logs:DescribeLogGroups"], ["*"]),
                    ]
                )
            ),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            "flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags=tags(COMPONENT, self._account.name("vpc")),
            opts=self._account.child(self, write),
        )
