"""Settings of AWS: what is missing, wrong or contradictory is refused at preview, by its path."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components import settings
from components.connections import Catalog, Database, Glue, ObjectStore, RequestSignature
from tests.unit.components.conftest import plain, run_program, stack_config

TAGS = {"owner": "me", "cost_center": "1"}
AWS: dict[str, Any] = {"account": "111122223333", "region": "eu-central-1", "tags": TAGS}
EKS: dict[str, Any] = {"kubernetes": {"kind": "eks"}, "storage": {"kind": "s3"}, "aws": AWS,
                       "images": {"builder": "docker", "registry": "ecr"}}  # fmt: skip
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
        (aws(name="Prod"), "headwater:aws.name: 'Prod'", "a-z"),
        (aws(network={"cidr": "10.0.0.0/22"}), "headwater:aws.network.cidr: '10.0.0.0/22'", "1,024 addresses"),
        (aws(network={"cidr": "10.0.0.1/16"}), "headwater:aws.network.cidr: '10.0.0.1/16'", "host bits"),
        (aws(network={"cidr": "8.0.0.0/16"}), "headwater:aws.network.cidr: '8.0.0.0/16'", "private"),
        (aws(network={"zones": ["a", "a", "b"]}), "headwater:aws.network.zones", "each zone once"),
        (aws(network={"zones": ["a"]}), "headwater:aws.network.zones", "at least 2"),
        (aws(cluster={"public_access": ["0.0.0.0/0"]}), "headwater:aws.cluster.public_access", "not an office"),
        (aws(retention={"backup_days": 36}), "headwater:aws.retention.backup_days: 36", "35"),
        (aws(retention={"log_days": 8}), "headwater:aws.retention.log_days: 8", "7"),
        (aws(retention={"backup_days": 0}), "headwater:aws", "deletion_protection with retention.backup_days 0"),
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
        ({**EKS, "database": {"kind": "rds", "size": "200Gi"}}, "headwater:database.max_size: '100Gi'", "200Gi"),
        ({**EKS, "database": {"kind": "rds", "size": "20Gi", "memory": "1Gi"}}, "headwater:database.memory", "class"),
        ({"database": {"multi_az": True}}, "headwater:database.multi_az: True", "'in-cluster'"),
        ({"database": {"ca_bundle": "rds.pem"}}, "headwater:database.ca_bundle: 'rds.pem'", "'in-cluster'"),
        ({**EKS, "kubernetes": {"kind": "eks", "context": "mine"}}, "headwater:kubernetes.context: 'mine'", "its own"),
        ({**EKS, "kubernetes": {"kind": "eks", "exposure": {"kind": "node_port"}}},
         "headwater:kubernetes.exposure.kind: 'node_port'", "cluster_ip"),
        ({**EKS, **EMULATED}, "headwater:kubernetes.kind: 'eks'", "runs no pods"),
        ({**EKS, "images": {"builder": "buildah", "registry": "ecr"}}, "headwater:images.builder", "'docker'"),
        ({"images": {"builder": "buildah", "platforms": ["linux/arm64"]}}, "headwater:images.platforms", "own machine"),
        ({**EKS, **aws(cluster={"nodes": {"architectures": ["amd64", "arm64"]}})}, "headwater:images.platforms",
         "linux/arm64"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(raw: dict[str, Any], path: str, says: str) -> None:
    """What AWS refuses costs a quarter of an hour to find out, and leaves half an environment behind."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse(raw)
    assert path in str(raised.value)
    assert says in str(raised.value)


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
    assert loaded.storage.lake == "headwater-qa-lake-111122223333"
    own = {**config, "headwater:storage": '{"kind": "s3", "bucket": "acme-lake"}'}
    assert settings.load(own, {}, "qa").storage.lake == "acme-lake"


def test_an_account_written_as_a_number_is_the_same() -> None:
    """`pulumi config set --path` takes the digits for a number, and drops the zeros that lead."""
    parsed = settings.parse({**EKS, "aws": {**AWS, "account": 1122223333}})
    assert parsed.aws is not None
    assert parsed.aws.account == "001122223333"


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
    assert catalog.secret_values() == catalog.secret_environment() == {}
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
