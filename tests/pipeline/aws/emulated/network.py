"""Handlers of networks: VPC, subnets, routes, security groups, endpoints, flow logs."""

from __future__ import annotations

from typing import Any

from tests.pipeline.aws.emulated.emulator import HANDLERS, Emulator, Made, specification


def vpc(aws: Emulator, given: dict[str, Any]) -> Made:
    ec2 = aws.client("ec2")
    made = ec2.create_vpc(CidrBlock=given["cidrBlock"], TagSpecifications=specification("vpc", given))["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": given["enableDnsHostnames"]})
    return {"id": made}


def subnet(aws: Emulator, given: dict[str, Any]) -> Made:
    made = aws.client("ec2").create_subnet(
        VpcId=given["vpcId"],
        CidrBlock=given["cidrBlock"],
        AvailabilityZone=given["availabilityZone"],
        TagSpecifications=specification("subnet", given),
    )
    return {"id": made["Subnet"]["SubnetId"]}


def internet_gateway(aws: Emulator, given: dict[str, Any]) -> Made:
    ec2 = aws.client("ec2")
    made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=given["vpcId"])
    return {"id": made}


def address(aws: Emulator, given: dict[str, Any]) -> Made:
    return {"id": aws.client("ec2").allocate_address(Domain=given["domain"])["AllocationId"]}


def nat_gateway(aws: Emulator, given: dict[str, Any]) -> Made:
    ec2 = aws.client("ec2")
    made = ec2.create_nat_gateway(SubnetId=given["subnetId"], AllocationId=given["allocationId"])
    return {"id": made["NatGateway"]["NatGatewayId"]}


def route_table(aws: Emulator, given: dict[str, Any]) -> Made:
    return {"id": aws.client("ec2").create_route_table(VpcId=given["vpcId"])["RouteTable"]["RouteTableId"]}


def route(aws: Emulator, given: dict[str, Any]) -> Made:
    target = {"NatGatewayId": given["natGatewayId"]} if "natGatewayId" in given else {"GatewayId": given["gatewayId"]}
    aws.client("ec2").create_route(
        RouteTableId=given["routeTableId"], DestinationCidrBlock=given["destinationCidrBlock"], **target
    )
    return {}


def association(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("ec2").associate_route_table(RouteTableId=given["routeTableId"], SubnetId=given["subnetId"])
    return {}


def default_group(aws: Emulator, given: dict[str, Any]) -> Made:
    groups = aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [given["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    return {"id": groups[0]["GroupId"]}


def group(aws: Emulator, given: dict[str, Any]) -> Made:
    ec2 = aws.client("ec2")
    made = ec2.create_security_group(GroupName=given["name"], Description=given["description"], VpcId=given["vpcId"])
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    # A group begins with this rule, and the provider takes it away at once.
    ec2.revoke_security_group_egress(GroupId=made["GroupId"], IpPermissions=everything)
    return {"id": made["GroupId"]}


def permission(given: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"IpProtocol": given["ipProtocol"]}
    if "fromPort" in given:
        rule |= {"FromPort": int(given["fromPort"]), "ToPort": int(given["toPort"])}
    if "cidrIpv4" in given:
        rule["IpRanges"] = [{"CidrIp": given["cidrIpv4"], "Description": given["description"]}]
    if "referencedSecurityGroupId" in given:
        pair = {"GroupId": given["referencedSecurityGroupId"], "Description": given["description"]}
        rule["UserIdGroupPairs"] = [pair]
    return rule


def ingress(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("ec2").authorize_security_group_ingress(
        GroupId=given["securityGroupId"], IpPermissions=[permission(given)]
    )
    return {}


def egress(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("ec2").authorize_security_group_egress(
        GroupId=given["securityGroupId"], IpPermissions=[permission(given)]
    )
    return {}


def endpoint(aws: Emulator, given: dict[str, Any]) -> Made:
    names = {"subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds", "routeTableIds": "RouteTableIds",
             "privateDnsEnabled": "PrivateDnsEnabled"}  # fmt: skip
    aws.client("ec2").create_vpc_endpoint(
        VpcId=given["vpcId"],
        ServiceName=given["serviceName"],
        VpcEndpointType=given["vpcEndpointType"],
        TagSpecifications=specification("vpc-endpoint", given),
        **{names[key]: value for key, value in given.items() if key in names},
    )
    return {}


def flow_log(aws: Emulator, given: dict[str, Any]) -> Made:
    made = aws.client("ec2").create_flow_logs(
        ResourceIds=[given["vpcId"]],
        ResourceType="VPC",
        TrafficType=given["trafficType"],
        LogDestinationType=given["logDestinationType"],
        LogGroupName=given["logDestination"].split(":log-group:")[1],
        DeliverLogsPermissionArn=given["iamRoleArn"],
    )
    assert not made["Unsuccessful"], made["Unsuccessful"]
    return {}


HANDLERS.update(
    {
        "Vpc": vpc,
        "Subnet": subnet,
        "InternetGateway": internet_gateway,
        "Eip": address,
        "NatGateway": nat_gateway,
        "RouteTable": route_table,
        "Route": route,
        "RouteTableAssociation": association,
        "DefaultSecurityGroup": default_group,
        "SecurityGroup": group,
        "SecurityGroupIngressRule": ingress,
        "SecurityGroupEgressRule": egress,
        "VpcEndpoint": endpoint,
        "FlowLog": flow_log,
    }
)
