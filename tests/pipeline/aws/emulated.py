"""Applies a program's registered AWS resources to moto through boto3, in the order of their dependencies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.validate import ParamValidator

from tests.unit.components.conftest import Resource, plain

# What only exists as a reference between resources: an identifier that the recorder made up.
MADE_UP = re.compile(r"\b(?:vpc|subnet|sg|rtb|igw|nat|eipalloc|vpce|sgr)-[0-9a-f]{17}\b")


@dataclass
class Emulator:
    """Clients of one region, and what each made-up value of the mocks is on moto.

    endpoint: where moto answers as a server of its own; None within `mock_aws`.
    """

    region: str
    endpoint: str | None = None
    known: dict[str, str] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    validated: list[str] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
            self.clients[service] = boto3.client(service, region_name=self.region, endpoint_url=self.endpoint, **keys)
        return self.clients[service]

    def real(self, value: Any) -> Any:
        """Return the value with everything made up replaced by what moto made."""
        if isinstance(value, dict):
            return {key: self.real(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.real(item) for item in value]
        if not isinstance(value, str):
            return value
        for made_up in sorted(self.known, key=len, reverse=True):
            value = value.replace(made_up, self.known[made_up])
        unknown = [found for found in MADE_UP.findall(value) if found not in self.known.values()]
        assert not unknown, f"{value} names {unknown}, which no resource before it is"
        return value

    def apply(self, resource: Resource) -> None:
        """Create one resource; a type that nobody has written down is an error."""
        inputs = self.real(plain(resource.inputs))
        kind = resource.type.removeprefix("aws:").replace("/", ".").split(":")[0] + ":" + resource.kind
        made = HANDLERS[resource.kind](self, inputs)
        self.applied.append(kind)
        self.known |= {str(resource.outputs[key]): str(value) for key, value in made.items()}

    def validate(self, service: str, operation: str, **parameters: Any) -> None:
        """Check the parameters of a call that moto does not have against AWS's own description of it."""
        shape = self.client(service).meta.service_model.operation_model(operation).input_shape
        report = ParamValidator().validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()
        self.validated.append(operation)


def in_order(resources: Iterable[Resource]) -> Iterator[Resource]:
    """Yield resources after everything they depend on, a component's children before what waits for it."""
    waiting = {resource.urn: resource for resource in resources}
    done: set[str] = set()
    while waiting:
        ready = [each for each in waiting.values() if not each.after & waiting.keys()]
        assert ready, f"a circle of dependencies: {sorted(each.name for each in waiting.values())}"
        for resource in ready:
            del waiting[resource.urn]
            done.add(resource.urn)
            yield resource


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specification(kind: str, inputs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tag_list(inputs["tags"])}]


Made = dict[str, Any]


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


def log_group(aws: Emulator, given: dict[str, Any]) -> Made:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=given["name"], kmsKeyId=given["kmsKeyId"], tags=given["tags"])
    logs.put_retention_policy(logGroupName=given["name"], retentionInDays=int(given["retentionInDays"]))
    (found,) = logs.describe_log_groups(logGroupNamePrefix=given["name"])["logGroups"]
    return {"arn": found["arn"].removesuffix(":*")}


def key(aws: Emulator, given: dict[str, Any]) -> Made:
    kms = aws.client("kms")
    made = kms.create_key(
        Description=given["description"],
        Policy=given["policy"],
        Tags=[{"TagKey": name, "TagValue": value} for name, value in given["tags"].items()],
    )["KeyMetadata"]
    kms.enable_key_rotation(KeyId=made["KeyId"])
    return {"keyId": made["KeyId"], "arn": made["Arn"]}


def alias(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("kms").create_alias(AliasName=given["name"], TargetKeyId=given["targetKeyId"])
    return {}


def role(aws: Emulator, given: dict[str, Any]) -> Made:
    made = aws.client("iam").create_role(
        RoleName=given["name"],
        AssumeRolePolicyDocument=given["assumeRolePolicy"],
        Description=given.get("description", ""),
        Tags=tag_list(given["tags"]),
    )
    return {"arn": made["Role"]["Arn"]}


def role_policy(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("iam").put_role_policy(RoleName=given["role"], PolicyName="inline", PolicyDocument=given["policy"])
    return {}


def attachment(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("iam").attach_role_policy(RoleName=given["role"], PolicyArn=given["policyArn"])
    return {}


def cluster(aws: Emulator, given: dict[str, Any]) -> Made:
    vpc_config, network = given["vpcConfig"], given["kubernetesNetworkConfig"]
    parameters = {
        "name": given["name"],
        "version": given["version"],
        "roleArn": given["roleArn"],
        "resourcesVpcConfig": {
            "subnetIds": vpc_config["subnetIds"],
            "endpointPublicAccess": vpc_config["endpointPublicAccess"],
            "endpointPrivateAccess": vpc_config["endpointPrivateAccess"],
            "publicAccessCidrs": vpc_config["publicAccessCidrs"],
        },
        "logging": {"clusterLogging": [{"types": given["enabledClusterLogTypes"], "enabled": True}]},
        "encryptionConfig": [
            {
                "resources": given["encryptionConfig"]["resources"],
                "provider": {"keyArn": given["encryptionConfig"]["provider"]["keyArn"]},
            }
        ],
        "tags": given["tags"],
    }
    made = aws.client("eks").create_cluster(**parameters)["cluster"]
    compute, access = given["computeConfig"], given["accessConfig"]
    # moto knows no Auto Mode; AWS's description of the call does.
    aws.validate(
        "eks",
        "CreateCluster",
        **parameters,
        kubernetesNetworkConfig={
            "ipFamily": network["ipFamily"],
            "elasticLoadBalancing": {"enabled": network["elasticLoadBalancing"]["enabled"]},
        },
        accessConfig={"authenticationMode": access["authenticationMode"]},
        bootstrapSelfManagedAddons=given["bootstrapSelfManagedAddons"],
        computeConfig={
            "enabled": compute["enabled"], "nodePools": compute["nodePools"], "nodeRoleArn": compute["nodeRoleArn"]
        },
        storageConfig={"blockStorage": {"enabled": given["storageConfig"]["blockStorage"]["enabled"]}},
        upgradePolicy={"supportType": given["upgradePolicy"]["supportType"]},
        deletionProtection=given["deletionProtection"],
    )  # fmt: skip
    return {"arn": made["arn"], "endpoint": made["endpoint"]}


def add_on(aws: Emulator, given: dict[str, Any]) -> Made:
    values = given.get("configurationValues", "{}")
    assert json.loads(values).keys() <= {"agent", "containerLogs", "manager"}, "the add-on takes no other"
    aws.validate("eks", "CreateAddon", clusterName=given["clusterName"], addonName=given["addonName"],
                 configurationValues=values, resolveConflicts=given["resolveConflictsOnCreate"],
                 tags=given["tags"])  # fmt: skip
    return {}


def pod_identity(aws: Emulator, given: dict[str, Any]) -> Made:
    # Both must be there already.
    aws.client("eks").describe_cluster(name=given["clusterName"])
    aws.client("iam").get_role(RoleName=given["roleArn"].rsplit("/", 1)[1])
    names = ("clusterName", "namespace", "serviceAccount", "roleArn", "tags")
    aws.validate("eks", "CreatePodIdentityAssociation", **{name: given[name] for name in names})
    return {}


def bucket(aws: Emulator, given: dict[str, Any]) -> Made:
    # S3 takes no constraint for the region that is its default.
    place = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    aws.client("s3").create_bucket(Bucket=given["bucket"], **place)
    return {}


def public_access(aws: Emulator, given: dict[str, Any]) -> Made:
    names = ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets")
    aws.client("s3").put_public_access_block(
        Bucket=given["bucket"],
        PublicAccessBlockConfiguration={f"{name[0].upper()}{name[1:]}": given[name] for name in names},
    )
    return {}


def ownership(aws: Emulator, given: dict[str, Any]) -> Made:
    rule = {"ObjectOwnership": given["rule"]["objectOwnership"]}
    aws.client("s3").put_bucket_ownership_controls(Bucket=given["bucket"], OwnershipControls={"Rules": [rule]})
    return {}


def encryption(aws: Emulator, given: dict[str, Any]) -> Made:
    (rule,) = given["rules"]
    default = rule["applyServerSideEncryptionByDefault"]
    applied = {"SSEAlgorithm": default["sseAlgorithm"]}
    if "kmsMasterKeyId" in default:
        applied["KMSMasterKeyID"] = default["kmsMasterKeyId"]
    rules = [{"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": rule["bucketKeyEnabled"]}]
    aws.client("s3").put_bucket_encryption(Bucket=given["bucket"], ServerSideEncryptionConfiguration={"Rules": rules})
    return {}


def versioning(aws: Emulator, given: dict[str, Any]) -> Made:
    status = given["versioningConfiguration"]["status"]
    aws.client("s3").put_bucket_versioning(Bucket=given["bucket"], VersioningConfiguration={"Status": status})
    return {}


def bucket_policy(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("s3").put_bucket_policy(Bucket=given["bucket"], Policy=given["policy"])
    return {}


def bucket_lifecycle(aws: Emulator, given: dict[str, Any]) -> Made:
    rules = []
    for rule in given["rules"]:
        made: dict[str, Any] = {
            "ID": rule["id"],
            "Status": rule["status"],
            "Filter": {"Prefix": rule["filter"]["prefix"]},
        }
        if "abortIncompleteMultipartUpload" in rule:
            days = int(rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"])
            made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
        if "noncurrentVersionExpiration" in rule:
            days = int(rule["noncurrentVersionExpiration"]["noncurrentDays"])
            made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
        if "expiration" in rule:
            names = {"days": "Days", "expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}
            made["Expiration"] = {
                names[key]: value if isinstance(value, bool) else int(value)
                for key, value in rule["expiration"].items()
            }
        if "transitions" in rule:
            made["Transitions"] = [
                {"Days": int(each["days"]), "StorageClass": each["storageClass"]} for each in rule["transitions"]
            ]
        rules.append(made)
    aws.client("s3").put_bucket_lifecycle_configuration(Bucket=given["bucket"], LifecycleConfiguration={"Rules": rules})
    return {}


def bucket_logging(aws: Emulator, given: dict[str, Any]) -> Made:
    target = {"TargetBucket": given["targetBucket"], "TargetPrefix": given["targetPrefix"]}
    aws.client("s3").put_bucket_logging(Bucket=given["bucket"], BucketLoggingStatus={"LoggingEnabled": target})
    return {}


def glue_database(aws: Emulator, given: dict[str, Any]) -> Made:
    names = {"name": "Name", "description": "Description", "locationUri": "LocationUri"}
    aws.client("glue").create_database(DatabaseInput={names[key]: given[key] for key in names}, Tags=given["tags"])
    return {}


def repository(aws: Emulator, given: dict[str, Any]) -> Made:
    (encrypted,) = given["encryptionConfigurations"]
    filters = [{"filter": each["filter"], "filterType": each["filterType"]}
               for each in given["imageTagMutabilityExclusionFilters"]]  # fmt: skip
    aws.client("ecr").create_repository(
        repositoryName=given["name"],
        imageTagMutability=given["imageTagMutability"],
        imageTagMutabilityExclusionFilters=filters,
        imageScanningConfiguration={"scanOnPush": given["imageScanningConfiguration"]["scanOnPush"]},
        encryptionConfiguration={"encryptionType": encrypted["encryptionType"], "kmsKey": encrypted["kmsKey"]},
        tags=tag_list(given["tags"]),
    )
    return {}


def repository_lifecycle(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("ecr").put_lifecycle_policy(repositoryName=given["repository"], lifecyclePolicyText=given["policy"])
    return {}


def subnet_group(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("rds").create_db_subnet_group(
        DBSubnetGroupName=given["name"], DBSubnetGroupDescription=given["description"], SubnetIds=given["subnetIds"]
    )
    return {}


def parameter_group(aws: Emulator, given: dict[str, Any]) -> Made:
    rds = aws.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName=given["name"], DBParameterGroupFamily=given["family"], Description=given["description"]
    )
    rds.modify_db_parameter_group(
        DBParameterGroupName=given["name"],
        Parameters=[
            {"ParameterName": each["name"], "ParameterValue": each["value"], "ApplyMethod": each["applyMethod"]}
            for each in given["parameters"]
        ],
    )
    return {}


INSTANCE = {
    "identifier": "DBInstanceIdentifier", "engine": "Engine", "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass", "allocatedStorage": "AllocatedStorage",
    "maxAllocatedStorage": "MaxAllocatedStorage", "storageType": "StorageType", "storageEncrypted": "StorageEncrypted",
    "kmsKeyId": "KmsKeyId", "username": "MasterUsername", "manageMasterUserPassword": "ManageMasterUserPassword",
    "masterUserSecretKmsKeyId": "MasterUserSecretKmsKeyId", "port": "Port", "multiAz": "MultiAZ",
    "publiclyAccessible": "PubliclyAccessible", "dbSubnetGroupName": "DBSubnetGroupName",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds", "parameterGroupName": "DBParameterGroupName",
    "backupRetentionPeriod": "BackupRetentionPeriod", "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow", "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection", "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports", "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
}  # fmt: skip
# Of the provider, about changes of the instance and its end.
NOT_AT_CREATION = {
    "allowMajorVersionUpgrade",
    "skipFinalSnapshot",
    "finalSnapshotIdentifier",
    "deleteAutomatedBackups",
    "tags",
}


def instance(aws: Emulator, given: dict[str, Any]) -> Made:
    assert not given.keys() - INSTANCE.keys() - NOT_AT_CREATION, "an argument that this test does not pass on"
    parameters = {INSTANCE[key]: value for key, value in given.items() if key in INSTANCE}
    parameters = {key: int(value) if isinstance(value, float) else value for key, value in parameters.items()}
    made = aws.client("rds").create_db_instance(**parameters, Tags=tag_list(given["tags"]))["DBInstance"]
    # Ready a moment after it is made.
    made = aws.client("rds").describe_db_instances(DBInstanceIdentifier=given["identifier"])["DBInstances"][0]
    return {"address": made["Endpoint"]["Address"]}


def budget(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("budgets").create_budget(
        AccountId="123456789012",
        Budget={
            "BudgetName": given["name"],
            "BudgetLimit": {"Amount": given["limitAmount"], "Unit": given["limitUnit"]},
            "CostFilters": {each["name"]: each["values"] for each in given["costFilters"]},
            "TimeUnit": given["timeUnit"],
            "BudgetType": given["budgetType"],
        },
    )
    return {}


def topic(aws: Emulator, given: dict[str, Any]) -> Made:
    attributes = {"DisplayName": given["displayName"], "KmsMasterKeyId": given["kmsMasterKeyId"]}
    # SNS asks KMS for the key when it encrypts, and only then says that there is none.
    aws.client("kms").describe_key(KeyId=given["kmsMasterKeyId"])
    made = aws.client("sns").create_topic(Name=given["name"], Attributes=attributes, Tags=tag_list(given["tags"]))
    return {"arn": made["TopicArn"]}


def topic_policy(aws: Emulator, given: dict[str, Any]) -> Made:
    json.loads(given["policy"])
    aws.client("sns").set_topic_attributes(
        TopicArn=given["arn"], AttributeName="Policy", AttributeValue=given["policy"]
    )
    return {}


def subscription(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("sns").subscribe(TopicArn=given["topic"], Protocol=given["protocol"], Endpoint=given["endpoint"])
    return {}


def metric_alarm(aws: Emulator, given: dict[str, Any]) -> Made:
    for target in given["alarmActions"]:
        aws.client("sns").get_topic_attributes(TopicArn=target)
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=given["name"],
        AlarmDescription=given["alarmDescription"],
        AlarmActions=given["alarmActions"],
        Namespace=given["namespace"],
        MetricName=given["metricName"],
        Dimensions=[{"Name": name, "Value": value} for name, value in given.get("dimensions", {}).items()],
        Statistic=given["statistic"],
        ComparisonOperator=given["comparisonOperator"],
        Threshold=given["threshold"],
        Period=int(given["period"]),
        EvaluationPeriods=int(given["evaluationPeriods"]),
        TreatMissingData=given["treatMissingData"],
        Tags=tag_list(given["tags"]),
    )
    # CloudWatch takes a day at most, all periods together.
    assert given["period"] * given["evaluationPeriods"] <= 86400
    (found,) = cloudwatch.describe_alarms(AlarmNames=[given["name"]])["MetricAlarms"]
    return {"arn": found["AlarmArn"]}


def dashboard(aws: Emulator, given: dict[str, Any]) -> Made:
    made = aws.client("cloudwatch").put_dashboard(
        DashboardName=given["dashboardName"], DashboardBody=given["dashboardBody"]
    )
    assert not made.get("DashboardValidationMessages")
    return {}


def schedule_group(aws: Emulator, given: dict[str, Any]) -> Made:
    aws.client("scheduler").create_schedule_group(Name=given["name"], Tags=tag_list(given["tags"]))
    return {}


def schedule(aws: Emulator, given: dict[str, Any]) -> Made:
    target = given["target"]
    retries = {"maximumEventAgeInSeconds": "MaximumEventAgeInSeconds", "maximumRetryAttempts": "MaximumRetryAttempts"}
    # The role must be there already, and the call must be one that AWS has, with arguments that it takes.
    aws.client("iam").get_role(RoleName=target["roleArn"].rsplit("/", 1)[1])
    aws.validate(*universal_target(aws, target["arn"]), **sdk_arguments(aws, target))
    aws.client("scheduler").create_schedule(
        Name=given["name"],
        GroupName=given["groupName"],
        ScheduleExpression=given["scheduleExpression"],
        ScheduleExpressionTimezone=given["scheduleExpressionTimezone"],
        FlexibleTimeWindow={"Mode": given["flexibleTimeWindow"]["mode"]},
        Target={
            "Arn": target["arn"],
            "RoleArn": target["roleArn"],
            "Input": target["input"],
            "RetryPolicy": {retries[key]: int(value) for key, value in target["retryPolicy"].items()},
        },
    )
    return {}


def universal_target(aws: Emulator, arn: str) -> tuple[str, str]:
    """Return service and operation of a target `arn:aws:scheduler:::aws-sdk:service:operation`."""
    service, _, name = arn.removeprefix("arn:aws:scheduler:::aws-sdk:").partition(":")
    (operation,) = [each for each in aws.client(service).meta.service_model.operation_names
                    if each[0].lower() + each[1:] == name]  # fmt: skip
    return service, operation


def sdk_arguments(aws: Emulator, target: dict[str, Any]) -> dict[str, Any]:
    """Return the target's input in AWS's own spelling: the scheduler writes DbInstance where RDS has DBInstance."""
    service, operation = universal_target(aws, target["arn"])
    names = aws.client(service).meta.service_model.operation_model(operation).input_shape.members
    spelled = {name.replace("DBI", "DbI"): name for name in names}
    return {spelled[key]: value for key, value in json.loads(target["input"]).items()}


HANDLERS: dict[str, Callable[[Emulator, dict[str, Any]], Made]] = {
    "Vpc": vpc, "Subnet": subnet, "InternetGateway": internet_gateway, "Eip": address, "NatGateway": nat_gateway,
    "RouteTable": route_table, "Route": route, "RouteTableAssociation": association,
    "DefaultSecurityGroup": default_group, "SecurityGroup": group, "SecurityGroupIngressRule": ingress,
    "SecurityGroupEgressRule": egress, "VpcEndpoint": endpoint, "FlowLog": flow_log, "LogGroup": log_group,
    "Key": key, "Alias": alias, "Role": role, "RolePolicy": role_policy, "RolePolicyAttachment": attachment,
    "Cluster": cluster, "Addon": add_on, "PodIdentityAssociation": pod_identity, "Bucket": bucket,
    "BucketPublicAccessBlock": public_access, "BucketOwnershipControls": ownership,
    "BucketServerSideEncryptionConfiguration": encryption, "BucketVersioning": versioning,
    "BucketPolicy": bucket_policy, "BucketLifecycleConfiguration": bucket_lifecycle, "BucketLogging": bucket_logging,
    "CatalogDatabase": glue_database, "Repository": repository, "LifecyclePolicy": repository_lifecycle,
    "Topic": topic, "TopicPolicy": topic_policy, "TopicSubscription": subscription, "MetricAlarm": metric_alarm,
    "Dashboard": dashboard, "SubnetGroup": subnet_group, "ParameterGroup": parameter_group, "Instance": instance,
    "Budget": budget, "Schedule": schedule, "ScheduleGroup": schedule_group,
}  # fmt: skip
