"""What is reachable and readable on AWS: nothing is public, everything is encrypted."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from tests.unit.components import test_program
from tests.unit.components.conftest import (
    Resource,
    run_program,
    stack_config,
)
from tests.unit.components.test_aws_program import inputs, of_kind

Stack = tuple[str, list[Resource], dict[str, Any]]


def test_nothing_is_public(aws_stack: Stack) -> None:
    """One address, one open port or one bucket that anybody reaches."""
    _, resources, _ = aws_stack
    assert not [name for name, each in inputs(resources, "Subnet").items() if each["mapPublicIpOnLaunch"]]
    assert not [name for name, each in inputs(resources, "Instance").items() if each["publiclyAccessible"]]
    for name, rule in inputs(resources, "SecurityGroupIngressRule").items():
        assert rule.get("cidrIpv4") != "0.0.0.0/0", name
    (cluster,) = inputs(resources, "Cluster").values()
    assert cluster["vpcConfig"]["endpointPrivateAccess"] is True
    assert "0.0.0.0/0" not in cluster["vpcConfig"]["publicAccessCidrs"]
    for name, each in inputs(resources, "Service").items():
        assert each["spec"]["type"] == "ClusterIP", name
    buckets = {each["bucket"] for each in inputs(resources, "Bucket").values()}
    closed = inputs(resources, "BucketPublicAccessBlock").values()
    assert {each["bucket"] for each in closed} == buckets
    assert all(each[f"{verb}Public{what}"] for each in closed
               for verb, what in [("block", "Acls"), ("block", "Policy"), ("ignore", "Acls")])  # fmt: skip
    assert all(each["restrictPublicBuckets"] for each in closed)


def test_the_api_is_closed_to_the_outside_when_nobody_is_named() -> None:
    """An empty list means everyone in EKS's own API."""
    config = stack_config("staging")
    cluster = {"nodes": {"architectures": ["amd64"]}, "private_access": ["10.9.0.0/16"]}
    given = json.loads(config["headwater:aws"]) | {"cluster": cluster}
    resources, _ = run_program({**config, "headwater:aws": json.dumps(given)}, "staging")
    (made,) = inputs(resources, "Cluster").values()
    assert made["vpcConfig"]["endpointPublicAccess"] is False


def test_everything_is_encrypted(aws_stack: Stack) -> None:
    """A disk, a backup or a log that can be read without the account's keys."""
    _, resources, _ = aws_stack
    keys = {resource.outputs["arn"] for resource in of_kind(resources, "Key").values()}
    assert all(each["enableKeyRotation"] for each in inputs(resources, "Key").values())
    (instance,) = inputs(resources, "Instance").values()
    assert instance["storageEncrypted"] is True
    assert {instance["kmsKeyId"], instance["masterUserSecretKmsKeyId"], instance["performanceInsightsKmsKeyId"]} <= keys
    for name, group in inputs(resources, "LogGroup").items():
        assert group["kmsKeyId"] in keys, name
    for name, repository in inputs(resources, "Repository").items():
        assert repository["encryptionConfigurations"][0]["kmsKey"] in keys, name
    (cluster,) = inputs(resources, "Cluster").values()
    assert cluster["encryptionConfig"]["provider"]["keyArn"] in keys
    buckets = {each["bucket"] for each in inputs(resources, "Bucket").values()}
    encrypted = {each["bucket"]: each["rules"][0] for each in
                 inputs(resources, "BucketServerSideEncryptionConfiguration").values()}  # fmt: skip
    assert set(encrypted) == buckets
    for bucket, rule in encrypted.items():
        default = rule["applyServerSideEncryptionByDefault"]
        # S3 delivers access logs only to a bucket with its own keys.
        if "-access-logs-" in bucket:
            assert default["sseAlgorithm"] == "AES256"
        else:
            assert default["kmsMasterKeyId"] in keys
            assert rule["bucketKeyEnabled"] is True
    assert all(each["parameters"]["encrypted"] == "true" for each in inputs(resources, "StorageClass").values())


def test_every_client_asks_for_tls_to_the_database(aws_stack: Stack) -> None:
    """libpq falls back to plain text when a server in the middle offers no TLS."""
    _, resources, _ = aws_stack
    (group,) = inputs(resources, "ParameterGroup").values()
    assert {each["name"]: each["value"] for each in group["parameters"]}["rds.force_ssl"] == "1"
    assert inputs(resources, "ConfigMap")["dagster-environment-config"]["data"]["PGSSLMODE"] == "require"
    uri = inputs(resources, "Secret")["ingestion-credentials-secret"]["stringData"]["meltano-database-uri"]
    assert uri.endswith("/meltano?sslmode=require")
    environments = {
        name: {each["name"]: each.get("value") for each in container.get("env", [])}
        for name, container in test_program.containers(resources)
    }
    for name in ("Deployment/superset/superset", "Job/superset-init/init", "Job/database-init/init"):
        assert environments[name]["PGSSLMODE"] == "require", name


def test_subnets_are_apart_and_within_the_vpc(aws_stack: Stack) -> None:
    """Two subnets that overlap are refused by EC2; a small one has no addresses left for pods."""
    _, resources, _ = aws_stack
    (vpc,) = inputs(resources, "Vpc").values()
    subnets = {name: ipaddress.ip_network(each["cidrBlock"]) for name, each in inputs(resources, "Subnet").items()}
    assert len(subnets) == 6
    for name, network in subnets.items():
        assert network.subnet_of(ipaddress.ip_network(vpc["cidrBlock"]))  # type: ignore[arg-type]
        assert not [other for other, each in subnets.items() if other != name and each.overlaps(network)], name
        assert not name.startswith("private") or network.num_addresses >= 1024


def test_nodes_and_database_are_in_private_subnets(aws_stack: Stack) -> None:
    """A public subnet's route gives every address in it a way in."""
    stack, resources, _ = aws_stack
    subnets = of_kind(resources, "Subnet")
    private = {resource.outputs["id"] for name, resource in subnets.items() if name.startswith("private")}
    (cluster,), (group,) = inputs(resources, "Cluster").values(), inputs(resources, "SubnetGroup").values()
    (nodes,) = inputs(resources, "NodeClass").values()
    assert set(cluster["vpcConfig"]["subnetIds"]) == set(group["subnetIds"]) == private
    assert {term["id"] for term in nodes["spec"]["subnetSelectorTerms"]} == private
    tables = {r.outputs["id"]: name for name, r in of_kind(resources, "RouteTable").items()}
    internet = {tables[each["routeTableId"]] for each in inputs(resources, "Route").values() if "gatewayId" in each}
    assert internet == {"public-table"}
    gateways = {"staging": 1, "prod": 3}[stack]
    assert len(of_kind(resources, "NatGateway")) == gateways
    for each in inputs(resources, "VpcEndpoint").values():
        assert each["vpcEndpointType"] == "Gateway" or len(each["subnetIds"]) == gateways
