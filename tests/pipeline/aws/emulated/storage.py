"""Handlers of what stores data: S3, Glue, ECR, RDS."""

from __future__ import annotations

from typing import Any

from tests.pipeline.aws.emulated.emulator import HANDLERS, Emulator, Made, tag_list


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


HANDLERS.update(
    {
        "Bucket": bucket,
        "BucketPublicAccessBlock": public_access,
        "BucketOwnershipControls": ownership,
        "BucketServerSideEncryptionConfiguration": encryption,
        "BucketVersioning": versioning,
        "BucketPolicy": bucket_policy,
        "BucketLifecycleConfiguration": bucket_lifecycle,
        "BucketLogging": bucket_logging,
        "CatalogDatabase": glue_database,
        "Repository": repository,
        "LifecyclePolicy": repository_lifecycle,
        "SubnetGroup": subnet_group,
        "ParameterGroup": parameter_group,
        "Instance": instance,
    }
)
