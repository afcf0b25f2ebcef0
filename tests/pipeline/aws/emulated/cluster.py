"""Handlers of keys, roles and the cluster: KMS, IAM, EKS."""

from __future__ import annotations

import json
from typing import Any

from tests.pipeline.aws.emulated.emulator import HANDLERS, Emulator, Made, tag_list


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


HANDLERS.update(
    {
        "Key": key,
        "Alias": alias,
        "Role": role,
        "RolePolicy": role_policy,
        "RolePolicyAttachment": attachment,
        "Cluster": cluster,
        "Addon": add_on,
        "PodIdentityAssociation": pod_identity,
    }
)
