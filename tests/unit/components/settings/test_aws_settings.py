"""Settings of AWS: what is missing, wrong or contradictory is refused at preview, by its path."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from typing import Any

import boto3
import pulumi
import pytest

from components import settings
from components.connections import Catalog, Database, Glue, ObjectStore, RequestSignature
from tests.unit.components.conftest import plain, run_program, stack_config

TAGS = {"owner": "me", "cost_center": "1"}
CLUSTER = {"public_access": ["198.51.100.0/24"]}
AWS: dict[str, Any] = {"account": "111122223333", "region": "eu-central-1", "tags": TAGS, "cluster": CLUSTER}
EKS: dict[str, Any] = {"kubernetes": {"kind": "eks"}, "storage": {"kind": "s3"}, "aws": AWS,
                       "images": {"builder": "docker", "registry": "ecr"}}  # fmt: skip
CI = {"repository": "acme/lake", "state_bucket": "acme-state", "secrets_key": "arn:aws:kms:eu-central-1:1:key/x"}
EMULATED = {"aws": {**AWS, "endpoint": "http://10.0.0.1:4566"}}


def aws(**changes: Any) -> dict[str, Any]:
    return {"aws": {**AWS, **changes}}


@pytest.mark.parametrize(
    ("raw", "path", "says"),
    [
        ({"storage": {"kind": "s3"}}, "headwater:storage.kind: 's3'", "headwater:aws with account"),
        ({"catalog": {"kind": "glue"}}, "headwater:catalog.kind: 'glue'", "headwater:aws with account"),
        ({"database": {"kind": "rds"}}, "headwater:database.kind: 'rds'", "headwater:aws with account"),
        ({"kubernetes": {"kind": "eks"}}, "headwater:kubernetes.kind: 'eks'", "headwater:aws with account"),
        ({"images": {"registry": "ecr"}}, "headwater:images.registry: 'ecr'", "headwater:aws with account"),
        (aws(account="1"), "headwater:aws.account: '1'", "12 digits"),
        ({"aws": {k: AWS[k] for k in ("account", "tags")}}, "headwater:aws.region is missing", ""),
        ({"aws": {k: AWS[k] for k in ("account", "region")}}, "headwater:aws.tags is missing", ""),
        (aws(tags={"owner": "me"}), "headwater:aws.tags.cost_center is missing", ""),
        (aws(region="Frankfurt"), "headwater:aws.region: 'Frankfurt'", "eu-central-1"),
        (aws(region="eu-centrl-1"), "headwater:aws.region: 'eu-centrl-1'", "close to it: eu-central-1"),
        (aws(region="eu-central-9"), "headwater:aws.region: 'eu-central-9'", "botocore"),
        (aws(region="xx-moon-1"), "headwater:aws.region: 'xx-moon-1'", "known: af-south-1"),
        (aws(name="Prod"), "headwater:aws.name: 'Prod'", "a-z"),
        (aws(name="xn--lake"), "headwater:aws.name: 'xn--lake'", "two hyphens"),
        (aws(name="acme--lake"), "headwater:aws.name: 'acme--lake'", "RDS and ECR"),
        (aws(name="sthree-acme"), "headwater:aws.name: 'sthree-acme'", "S3 keeps names that begin with sthree-"),
        (aws(name="amzn-s3-demo-x"), "headwater:aws.name: 'amzn-s3-demo-x'", "begin with amzn-s3-demo-"),
        ({**EKS, "storage": {"kind": "s3", "bucket": "acme-s3alias"}}, "headwater:storage.bucket: 'acme-s3alias'",
         "end with -s3alias"),
        ({**EKS, "storage": {"kind": "s3", "bucket": "acme--table-s3"}}, "headwater:storage.bucket", "--table-s3"),
        ({**EKS, "storage": {"kind": "s3", "bucket": "xn--lake"}}, "headwater:storage.bucket: 'xn--lake'", "xn--"),
        (aws(ci={**CI, "state_bucket": "192.168.5.4"}), "headwater:aws.ci.state_bucket: '192.168.5.4'", "an address"),
        (aws(ci={**CI, "state_bucket": "acme..state"}), "headwater:aws.ci.state_bucket: 'acme..state'", "two dots"),
        (aws(ci={**CI, "state_bucket": "acme.mrap"}), "headwater:aws.ci.state_bucket: 'acme.mrap'", "end with .mrap"),
        (aws(network={"cidr": "10.0.0.0/22"}), "headwater:aws.network.cidr: '10.0.0.0/22'", "1,024 addresses"),
        (aws(network={"cidr": "10.0.0.1/16"}), "headwater:aws.network.cidr: '10.0.0.1/16'", "host bits"),
        (aws(network={"cidr": "8.0.0.0/16"}), "headwater:aws.network.cidr: '8.0.0.0/16'", "private"),
        *((aws(network={"cidr": each}), f"headwater:aws.network.cidr: '{each}'", "10.0.0.0/8, 172.16.0.0/12")
          for each in ("0.0.0.0/16", "127.0.0.0/16", "169.254.0.0/16", "198.18.0.0/16", "224.0.0.0/16", "240.0.0.0/16",
                       "100.64.0.0/16", "192.0.0.0/16", "255.255.0.0/16", "172.32.0.0/16")),
        (aws(network={"zones": ["eu-central-1a", "b"]}), "headwater:aws.network.zones.0: 'eu-central-1a'", "a to f"),
        *((aws(cluster={name: [each]}), f"headwater:aws.cluster.{name}", "no packet comes from")
          for name in ("public_access", "private_access") for each in ("127.0.0.0/8", "169.254.1.2", "239.0.0.0/8")),
        (aws(cluster={"public_access": ["10.1.0.0/16"]}), "headwater:aws.cluster.public_access", "private_access"),
        (aws(network={"zones": ["a", "a", "b"]}), "headwater:aws.network.zones", "each zone once"),
        (aws(network={"zones": ["a"]}), "headwater:aws.network.zones", "at least 2"),
        (aws(network={"zones": ["a", "g"]}), "headwater:aws.network.zones.1: 'g'", "describe-availability-zones"),
        (aws(cluster={"public_access": ["0.0.0.0/0"]}), "headwater:aws.cluster.public_access", "not an office"),
        (aws(cluster={"private_access": ["10.1.2.3", "10.1.2.3/32"]}), "headwater:aws.cluster.private_access", "twice"),
        (aws(cluster={"private_access": ["0.0.0.0/0"]}), "headwater:aws.cluster.private_access", "not an office"),
        ({**EKS, **aws(cluster={})}, "headwater:aws.cluster.public_access: []", "private_access"),
        (aws(retention={"backup_days": 36}), "headwater:aws.retention.backup_days: 36", "35"),
        (aws(retention={"log_days": 8}), "headwater:aws.retention.log_days: 8", "7"),
        (aws(retention={"backup_days": 0}), "headwater:aws.retention.backup_days: 0 is not", "deletion_protection"),
        (aws(budget={"monthly_usd": 10, "emails": []}), "headwater:aws.budget.emails", "at least 1"),
        ({**EKS, "storage": {"kind": "s3", "size": "1Gi"}}, "headwater:storage.size: '1Gi'", "MinIO"),
        ({**aws(), "storage": {"kind": "s3"}}, "headwater:storage.kind: 's3'", "Pod Identity"),
        ({**EKS, "catalog": {"kind": "glue", "uri": "https://c"}}, "headwater:catalog.uri", "kind 'rest'"),
        ({**aws(), "catalog": {"kind": "glue"}}, "headwater:catalog.kind: 'glue'", "storage.kind is 'minio'"),
        ({"catalog": {"sigv4": {}}}, "headwater:catalog.sigv4", "catalog.uri is not set"),
        ({"catalog": {"uri": "https://c", "sigv4": {}}}, "headwater:catalog.sigv4", "storage.kind is 'minio'"),
        ({"catalog": {"uri": "https://c", "oauth2": {"server_uri": "https://t"}, "sigv4": {}}},
         "headwater:catalog.sigv4", "one of them"),
        ({**aws(), "database": {"kind": "rds", "size": "20Gi"}}, "headwater:database.kind: 'rds'", "'eks'"),
        ({**EKS, "database": {"kind": "rds"}}, "headwater:database.size: '5Gi'", "20Gi at least"),
        ({**EKS, "database": {"kind": "rds", "size": "65537Gi", "max_size": "65537Gi"}},
         "headwater:database.size: '65537Gi'", "65536Gi at most"),
        ({**EKS, "database": {"kind": "rds", "size": "20Gi", "max_size": "65537Gi"}},
         "headwater:database.max_size: '65537Gi'", "65536Gi at most"),
        ({**EKS, "database": {"kind": "rds", "size": "100Gi", "max_size": "105Gi"}},
         "headwater:database.max_size: '105Gi'", "110Gi"),
        ({**EKS, "database": {"kind": "rds", "size": "20500Mi"}}, "headwater:database.size: '20500Mi'", "whole GiB"),
        ({**EKS, "database": {"kind": "rds", "size": "200Gi"}}, "headwater:database.max_size: '100Gi'", "220Gi"),
        ({"database": {"multi_az": True}}, "headwater:database.multi_az: True", "'in-cluster'"),
        ({"database": {"ca_bundle": "rds.pem"}}, "headwater:database.ca_bundle: 'rds.pem'", "'in-cluster'"),
        ({**EKS, "kubernetes": {"kind": "eks", "context": "mine"}}, "headwater:kubernetes.context: 'mine'", "its own"),
        ({**EKS, "kubernetes": {"kind": "eks", "exposure": {"kind": "node_port"}}},
         "headwater:kubernetes.exposure.kind: 'node_port'", "cluster_ip"),
        ({**EKS, **EMULATED}, "headwater:kubernetes.kind: 'eks'", "runs no pods"),
        ({**EKS, "images": {"builder": "buildah", "registry": "ecr"}}, "headwater:images.builder", "'docker'"),
        ({**EKS, "images": {}}, "headwater:images.registry: '127.0.0.1:5000'", "use 'ecr'"),
        *(({**EKS, "images": {"builder": "docker", "registry": each}}, f"headwater:images.registry: '{each}'", "EKS's")
          for each in ("localhost:5000", "registry.localhost", "127.1", "0.0.0.0:80", "169.254.1.1:5000")),
        ({**EKS, "catalog": {"uri": "http://127.0.0.1:8181"}}, "headwater:catalog.uri: 'http://127", "pods on EKS"),
        ({**EKS, "catalog": {"uri": "http://[::1]:8181/x"}}, "headwater:catalog.uri: 'http://[::1]", "pods on EKS"),
        ({**EKS, "catalog": {"uri": "https://c", "oauth2": {"server_uri": "https://localhost/t"}}},
         "headwater:catalog.oauth2.server_uri: 'https://localhost/t'", "pods on EKS"),
        ({"images": {"builder": "buildah", "platforms": ["linux/arm64"]}}, "headwater:images.platforms", "own machine"),
        ({**EKS, **aws(cluster={**CLUSTER, "nodes": {"architectures": ["amd64", "arm64"]}})},
         "headwater:images.platforms", "linux/arm64"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(raw: dict[str, Any], path: str, says: str) -> None:
    """What AWS refuses costs a quarter of an hour to find out, and leaves half an environment behind."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse(raw)
    assert path in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize("registry", ["registry.example.com:5000", "10.20.0.9:5000", "ghcr.io", "mylocalhost"])
def test_a_registry_that_nodes_reach_is_accepted(registry: str) -> None:
    """A registry of one's own, refused because its name looks like loopback's."""
    parsed = settings.parse(
        {**EKS, "images": {"builder": "docker", "registry": registry}, "catalog": {"uri": "http://["}}
    )
    assert parsed.images.registry == registry


def test_a_stack_name_that_is_too_long_is_refused() -> None:
    """A bucket's name would have 70 letters, twenty minutes into `pulumi up`."""
    config = {f"headwater:{key}": json.dumps(value) for key, value in EKS.items()}
    with pytest.raises(pulumi.RunError, match=r"headwater:aws.name: 'headwater-integration"):
        settings.load(config, {}, "integration-environment-of-the-west")


def test_names_come_from_the_stack_unless_the_stack_says_otherwise() -> None:
    """Two stacks in one account would share a bucket."""
    config = {f"headwater:{key}": json.dumps(value) for key, value in EKS.items()}
    loaded = settings.load(config, {}, "qa")
    assert loaded.aws is not None
    assert loaded.aws.prefix == "headwater-qa"
    assert loaded.storage.lake_bucket == "headwater-qa-lake-111122223333"
    own = {**config, "headwater:storage": '{"kind": "s3", "bucket": "acme-lake"}'}
    assert settings.load(own, {}, "qa").storage.lake_bucket == "acme-lake"


def test_an_account_written_as_a_number_is_the_same() -> None:
    """`pulumi config set --path` takes the digits for a number, and drops the zeros that lead."""
    parsed = settings.parse({**EKS, "aws": {**AWS, "account": 1122223333}})
    assert parsed.aws is not None
    assert parsed.aws.account == "001122223333"


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1"])
def test_regions_of_another_partition_are_refused(region: str) -> None:
    """ARNs begin with `arn:aws-cn` there: the first of a hundred policies would be malformed, after the network."""
    with pytest.raises(pulumi.RunError, match=rf"headwater:aws.region: '{region}' is not allowed. .* partition"):
        settings.parse({**EKS, "aws": {**AWS, "region": region}})


def test_this_machines_base_images_stay_on_it(tmp_path: Any) -> None:
    """Production would run on a stand-in that one laptop made."""
    file = tmp_path / "base-images.json"
    file.write_text(json.dumps({"PYTHON_IMAGE": "127.0.0.1:5000/base/python:3.11"}))
    config = {f"headwater:{key}": json.dumps(value) for key, value in EKS.items()}
    assert settings.load(config, {"HEADWATER_BASE_IMAGES_FILE": str(file)}, "qa").images.base_images == {}


@pytest.mark.parametrize("stack", ["staging", "prod", "localstack"])
def test_the_committed_stack_files_are_valid(stack: str) -> None:
    """A new environment begins as a copy of one of them."""
    loaded = settings.load({**stack_config(stack), "headwater:images": '{"builder": "docker"}'}, {}, stack) \
        if stack == "localstack" else settings.load(stack_config(stack), {}, stack)  # fmt: skip
    assert loaded.aws is not None
    assert ipaddress.ip_network(loaded.aws.network.cidr).is_private


def test_oauth2_without_its_credential_says_how_to_set_it() -> None:
    """Trino would start and answer every query with `401`."""
    catalog = {"uri": "https://catalog.example.com", "oauth2": {"server_uri": "https://login.example.com/token"}}
    config = {**stack_config(), "headwater:images": '{"builder": "buildah"}', "headwater:catalog": json.dumps(catalog)}
    with pytest.raises(pulumi.RunError, match="config set --secret catalogCredential"):
        run_program(config)


def test_a_rest_catalog_elsewhere_takes_the_place_of_ours() -> None:
    """The settings would be accepted, and no client would get the credential."""
    catalog = {"uri": "https://catalog.example.com", "oauth2": {"server_uri": "https://login.example.com/token"}}
    config = {**stack_config("staging"), "headwater:catalog": json.dumps(catalog)}
    resources, _ = run_program({**config, "headwater:catalogCredential": "id:hidden"}, "staging")
    secrets = {r.name: plain(r.inputs)["stringData"] for r in resources if r.kind == "Secret"}
    for name in ("trino-credentials-secret", "ingestion-credentials-secret"):
        assert secrets[name]["catalog-credential"] == "id:hidden"
    assert not [r for r in resources if r.kind == "CatalogDatabase"]


def test_oauth2_reaches_both_clients_without_showing_its_secret() -> None:
    """Ingestion could write where Trino cannot read, or the client's secret would stand in a ConfigMap."""
    secret = pulumi.Output.secret("id:hidden")
    from components.connections import ClientCredentials

    catalog = Catalog("https://c", "lake", ClientCredentials(secret, "https://login/token", "all"))
    trino, pyiceberg = catalog.trino_properties(), catalog.pyiceberg_environment()
    assert trino["iceberg.rest-catalog.oauth2.server-uri"] == pyiceberg["PYICEBERG_CATALOG__LAKE__OAUTH2_SERVER_URI"]
    assert trino["iceberg.rest-catalog.oauth2.credential"] == "${ENV:CATALOG_CREDENTIAL}"
    assert set(catalog.secret_environment().values()) == set(catalog.secret_values()) == {"catalog-credential"}


def test_a_signed_catalog_signs_on_both_sides() -> None:
    """Trino 476 signs only with keys or with a role: without the role it stops with `s3.aws-access-key is null`."""
    catalog = Catalog("https://glue", "1", RequestSignature("eu-central-1", "glue", "arn:aws:iam::1:role/x"))
    trino, pyiceberg = catalog.trino_properties(), catalog.pyiceberg_environment()
    assert trino["s3.iam-role"] == "arn:aws:iam::1:role/x"
    assert (
        trino["iceberg.rest-catalog.sigv4-enabled"]
        == pyiceberg["PYICEBERG_CATALOG__LAKE__REST__SIGV4_ENABLED"]
        == "true"
    )
    assert catalog.secret_values() == {}


def test_glue_with_an_identity_needs_no_secret() -> None:
    """A key in a Secret would outlive whoever was allowed to make it."""
    catalog = Catalog(Glue("111122223333", "eu-central-1"), "s3://lake/warehouse")
    assert not catalog.secret_values()
    assert not catalog.secret_environment()
    assert not [value for value in catalog.trino_properties().values() if "ENV:" in value]
    assert ObjectStore("lake", "eu-central-1").secret_environment() == {}


def test_a_database_says_how_it_is_encrypted_in_each_clients_words() -> None:
    """One client of four without TLS is shut out by RDS, or talks in plain text where RDS would let it."""
    plain = Database("postgres", "dagster", "dagster", pulumi.Output.secret("p"))
    secured = Database("db.example.com", "dagster", "dagster", pulumi.Output.secret("p"), sslmode="require")
    assert plain.libpq_environment() == {}
    assert secured.libpq_environment() == {"PGSSLMODE": "require"}
    verified = replace(secured, sslmode="verify-full", authorities="database-authorities")
    known = "/etc/headwater/database/authorities.pem"
    assert verified.libpq_environment() == {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": known}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (aws(retention={"backup_days": 0}), ["aws.retention.backup_days: 0 "]),
        (aws(schedule={"wake": "20:00", "sleep": "07:00"}), ["aws.schedule.sleep: '07:00' "]),
        (aws(schedule={"sleep": "23:45"}), ["aws.schedule.sleep: '23:45' "]),
        (aws(schedule={"wake": "07:00", "sleep": "09:00", "timezone": "Europe/Berlin"}),
         ["aws.schedule.sleep: '09:00' "]),
        ({"sizes": {"superset": {"memory": "2Gi"}}}, ["sizes.superset.memory: '2Gi' "]),
        ({"sizes": {"superset": {"cpu": "2", "cpu_limit": "1"}}}, ["sizes.superset.cpu: '2' "]),
        ({"trino": {"workers": {"minimum": 3, "maximum": 2}}}, ["trino.workers.minimum: 3 "]),
        ({"trino": {"workers": {"maximum": 2}}}, ["trino.workers.minimum: 0 "]),
        ({"trino": {"workers": {"disk": "1Gi"}}}, ["trino.workers.disk: '1Gi' "]),
        ({"dashboards": {"workers": 2}}, ["dashboards.workers: 2 "]),
        ({"dashboards": {"servers": 2}}, ["dashboards.servers: 2 "]),
        ({"services": {"salesforce": {"client_id": "x"}}}, ["services.salesforce.client_id: 'x' "]),
        ({"services": {"salesforce": {"kind": "account", "client_id": "x"}}},
         ["services.salesforce.login_url is missing"]),
        ({"services": {"salesforce": {"kind": "account", "client_id": "x", "login_url": "https://a", "audience": "b"}}},
         ["services.salesforce.audience: 'b' "]),
        ({"observability": {"emails": ["a@b"]}}, ["observability.emails: ['a@b'] "]),
        ({**EKS, "observability": {"kind": "cloudwatch"}}, ["observability.emails is missing"]),
    ],
)  # fmt: skip
def test_an_error_names_one_setting_and_not_its_whole_section(raw: dict[str, Any], told: list[str]) -> None:
    """A page of settings, printed as Python, in which the reader looks for the wrong one."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse(raw)
    lines = str(raised.value).splitlines()[1:]
    assert len(lines) == len(told), lines
    for line, beginning in zip(lines, told, strict=True):
        assert line.startswith(f"  headwater:{beginning}"), line
        assert "{" not in line


def test_every_region_of_botocore_is_one() -> None:
    """A region that opened since the list was written down by hand, refused as a typo."""
    for region in boto3.Session().get_available_regions("ec2"):
        parsed = settings.parse({"aws": {**AWS, "region": region}}).aws
        assert parsed is not None
        assert parsed.region == region


def test_an_address_alone_is_a_network_of_one() -> None:
    """EKS takes networks only: `198.51.100.7` fails after minutes of `pulumi up`."""
    found = settings.parse({"aws": aws(cluster={"public_access": ["198.51.100.7"]})["aws"]}).aws
    assert found is not None
    assert found.cluster.public_access == ["198.51.100.7/32"]
