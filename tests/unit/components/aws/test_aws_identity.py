"""Who may do what in AWS: each role's policy against a table of what it must and must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.aws import policies
from components.aws.identity import LONGEST_INLINE_POLICY
from components.lake import BUILT, INGESTED
from tests.unit.components import iam
from tests.unit.components.conftest import ROOT, Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.iam import documents

ACCOUNT, REGION = "111122223333", "eu-central-1"
LAKE = "arn:aws:s3:::headwater-staging-lake-111122223333"
ARTEFACTS = "arn:aws:s3:::headwater-staging-artefacts-111122223333"
LOGS = "arn:aws:s3:::headwater-staging-access-logs-111122223333"
GLUE = f"arn:aws:glue:{REGION}:{ACCOUNT}"
RAW, MARTS = f"{LAKE}/warehouse/raw/orders/data/1.parquet", f"{LAKE}/warehouse/marts/fct_orders/data/1.parquet"
RAW_TABLE, MARTS_TABLE = f"{GLUE}:table/raw/orders", f"{GLUE}:table/marts/fct_orders"


def policy(name: str, stack: str = "staging") -> dict[str, Any]:
    """Return the policy of a workload's role."""
    (found,) = [r for r in aws_program(stack)[0] if r.kind == "RolePolicy" and r.name == f"{name}-policy"]
    return dict(json.loads(plain(found.inputs)["policy"]))


def output(kind: str, name: str, key: str) -> str:
    (found,) = [r for r in aws_program("staging")[0] if r.type.startswith("aws:") and r.kind == kind and r.name == name]
    return str(found.outputs[key])


def lake_key() -> str:
    return output("Key", "lake-key", "arn")


ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:headwater-staging-marts-stale"
INSIGHTS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/containerinsights/headwater-staging"
MAY = [
    ("cloudwatch-agent", "logs:PutLogEvents", f"{INSIGHTS}/application:log-stream:any"),
    ("cloudwatch-agent", "ec2:DescribeVolumes", "*"),
    ("ingestion", "s3:PutObject", RAW),
    ("ingestion", "s3:GetObject", RAW),
    ("ingestion", "s3:DeleteObject", RAW),
    ("ingestion", "s3:GetObject", f"{LAKE}/files/crm/orders/1.csv"),
    ("ingestion", "glue:CreateTable", RAW_TABLE),
    ("ingestion", "glue:UpdateTable", RAW_TABLE),
    ("ingestion", "glue:GetTable", RAW_TABLE),
    ("ingestion", "glue:CreateDatabase", f"{GLUE}:database/raw"),
    ("trino", "s3:GetObject", RAW),
    ("trino", "s3:GetObject", MARTS),
    ("trino", "s3:PutObject", MARTS),
    ("trino", "s3:PutObject", f"{LAKE}/warehouse/snapshots/anything/metadata/1.json"),
    ("trino", "s3:PutObject", f"{ARTEFACTS}/exchange/query/1"),
    ("trino", "glue:GetTable", RAW_TABLE),
    ("trino", "glue:GetDatabases", f"{GLUE}:database/default"),
    ("trino", "glue:CreateTable", MARTS_TABLE),
    ("trino", "glue:DeleteTable", f"{GLUE}:table/staging/stg_petco__orders"),
]
MUST_NOT = [
    ("dagster", "s3:GetObject", RAW),
    ("dagster", "glue:GetTable", RAW_TABLE),
    ("dagster", "cloudwatch:DeleteAlarms", ALARM),
    ("dagster", "cloudwatch:DisableAlarmActions", ALARM),
    ("dagster", "logs:PutLogEvents", f"{INSIGHTS}/application:log-stream:any"),
    ("cloudwatch-agent", "logs:PutLogEvents", f"{INSIGHTS}-2/application:log-stream:any"),
    ("cloudwatch-agent", "logs:GetLogEvents", f"{INSIGHTS}/application:log-stream:any"),
    ("cloudwatch-agent", "logs:DeleteLogGroup", f"{INSIGHTS}/application"),
    ("cloudwatch-agent", "s3:GetObject", RAW),
    ("ingestion", "s3:PutObject", MARTS),
    ("ingestion", "s3:PutObject", f"{LAKE}/files/crm/orders/1.csv"),
    ("trino", "s3:GetObject", f"{LAKE}/files/crm/orders/1.csv"),
    ("ingestion", "s3:GetObject", MARTS),
    ("ingestion", "s3:PutObject", f"{LAKE}/warehouse/raw_copy/1.parquet"),
    ("ingestion", "s3:PutObject", f"{ARTEFACTS}/exchange/1"),
    ("ingestion", "s3:DeleteBucket", LAKE),
    ("ingestion", "glue:UpdateTable", MARTS_TABLE),
    ("ingestion", "glue:GetTable", MARTS_TABLE),
    ("ingestion", "glue:DeleteDatabase", f"{GLUE}:database/raw"),
    ("ingestion", "glue:CreateDatabase", f"{GLUE}:database/marts"),
    ("trino", "s3:PutObject", RAW),
    ("trino", "s3:DeleteObject", RAW),
    ("trino", "s3:DeleteObjectVersion", MARTS),
    ("trino", "s3:PutBucketPolicy", LAKE),
    ("trino", "s3:PutObject", f"{ARTEFACTS}/other/1"),
    ("trino", "s3:GetObject", f"{LOGS}/any"),
    ("trino", "glue:UpdateTable", RAW_TABLE),
    ("trino", "glue:DeleteTable", RAW_TABLE),
    ("trino", "glue:DeleteDatabase", f"{GLUE}:database/marts"),
    ("trino", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/headwater-staging-trino"),
    ("database-init", "s3:GetObject", RAW),
    ("database-init", "secretsmanager:PutSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:any"),
    ("database-init", "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:any"),
]


@pytest.mark.parametrize(("role", "action", "resource"), MAY)
def test_a_workload_may_do_its_work(role: str, action: str, resource: str) -> None:
    """A run would fail with AccessDenied, in production, at night."""
    assert iam.allowed(policy(role), action, resource)


@pytest.mark.parametrize(("role", "action", "resource"), MUST_NOT)
def test_a_workload_may_do_no_more(role: str, action: str, resource: str) -> None:
    """A tap's broken code, or who has broken into it, would rewrite the marts that decisions rest on."""
    assert not iam.allowed(policy(role), action, resource)


@pytest.mark.parametrize(
    ("role", "prefix", "decision"),
    [
        ("ingestion", "warehouse/raw/orders/", True),
        ("ingestion", "warehouse/marts/", False),
        ("ingestion", "files/crm/", True),
        ("ingestion", "", False),
        ("trino", "warehouse/raw/", True),
        ("trino", "elsewhere/", False),
    ],
)
def test_only_own_prefixes_are_listed(role: str, prefix: str, decision: bool) -> None:
    """Names of objects tell what a company has, before anyone reads one."""
    assert iam.allowed(policy(role), "s3:ListBucket", LAKE, {"s3:prefix": prefix}) is decision


def test_objects_can_be_decrypted_by_those_who_read_them() -> None:
    """Access to an object without its key is an AccessDenied that names no key."""
    for role in ("ingestion", "trino"):
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert iam.allowed(policy(role), action, lake_key()), role
        assert not iam.allowed(policy(role), "kms:Decrypt", output("Key", "database-key", "arn")), role


def test_the_job_reads_the_master_password_and_no_other() -> None:
    """The secret's ARN is AWS's to choose: a pattern would open every secret of the account."""
    (instance,) = [r for r in aws_program("staging")[0] if r.kind == "Instance"]
    arn = instance.outputs["masterUserSecrets"][0]["secretArn"]
    assert iam.allowed(policy("database-init"), "secretsmanager:GetSecretValue", arn)
    assert iam.allowed(policy("database-init"), "kms:Decrypt", output("Key", "database-key", "arn"))


def test_superset_has_no_identity(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """A dashboard's SQL injection must not become access to the bucket."""
    _, resources, _ = aws_stack
    accounts = {plain(r.inputs)["serviceAccount"] for r in resources if r.kind == "PodIdentityAssociation"}
    assert accounts == {"trino", "ingestion", "database-init", "dagster", "cloudwatch-agent"}
    existing = {r.known_as for r in resources if r.kind == "ServiceAccount"}
    # The agent's is made by EKS, with the add-on.
    assert accounts - {"cloudwatch-agent"} <= existing


@pytest.mark.parametrize(
    ("role", "namespace", "decision"),
    [
        ("dagster", "Headwater/headwater-staging", True),
        ("dagster", "Headwater/headwater-prod", False),
        ("dagster", "ContainerInsights", False),
        ("dagster", "AWS/RDS", False),
        ("cloudwatch-agent", "ContainerInsights", True),
        ("cloudwatch-agent", "Headwater/headwater-staging", False),
    ],
)
def test_metrics_go_to_their_own_namespace_only(role: str, namespace: str, decision: bool) -> None:
    """One stack's broken pipeline would calm another's alarm, or hide that its own disk is full."""
    assert iam.allowed(policy(role), "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": namespace}) is decision
    assert not iam.allowed(policy(role), "cloudwatch:PutMetricData", "*")


def statements(resources: list[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in documents(resources):
        for statement in iam.listed(document["Statement"]):
            yield name, statement


def test_nobody_has_any_action_on_any_resource(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """One such statement makes every other one worthless."""
    _, resources, _ = aws_stack
    for name, statement in statements(resources):
        if statement["Effect"] == "Allow" and not name.startswith("Key "):
            wild = [action for action in iam.listed(statement["Action"]) if action.endswith("*")]
            assert not wild, f"{name} allows {wild}"


def test_only_aws_services_and_the_account_are_trusted(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """A principal `*`, or another account's, hands the role to strangers."""
    stack, resources, _ = aws_stack
    account = json.loads(stack_config(stack)["headwater:aws"])["account"]
    for name, statement in statements(resources):
        principal = statement.get("Principal", {})
        if statement["Effect"] == "Allow" and principal:
            for kind, who in principal.items():
                assert kind == "Service" or who == f"arn:aws:iam::{account}:root", f"{name} trusts {who}"


def test_policies_fit_and_are_well_formed(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """IAM refuses a policy that is too long, or a statement whose identifier has a hyphen, when it is applied."""
    _, resources, _ = aws_stack
    for name, document in documents(resources):
        assert document["Version"] == policies.VERSION, name
        assert len(json.dumps(document, separators=(",", ":"))) <= LONGEST_INLINE_POLICY, name
        identifiers = [statement["Sid"] for statement in document["Statement"] if "Sid" in statement]
        assert len(set(identifiers)) == len(identifiers), name
        assert all(identifier.isalnum() for identifier in identifiers), name
        for statement in document["Statement"]:
            assert statement["Action"], name
            assert statement.get("Resource", ["trust"]), name
            assert not [each for each in iam.listed(statement.get("Resource", [])) if "None" in each], name


def test_the_layers_are_those_of_dbt() -> None:
    """A schema that dbt makes and Trino may not write fails the first run on AWS, and on no other stack."""
    project = yaml.safe_load((ROOT / "pipeline_code" / "transformation" / "dbt_project.yml").read_text())
    models = {each["+schema"] for name, each in project["models"]["headwater"].items() if not name.startswith("+")}
    assert models | {project["snapshots"]["headwater"]["+schema"]} == set(BUILT)
    meltano = yaml.safe_load((ROOT / "pipeline_code" / "ingestion" / "meltano.yml").read_text())
    (target,) = meltano["plugins"]["loaders"]
    assert [each["value"] for each in target["settings"] if each["name"] == "namespace"] == list(INGESTED)


def test_a_signing_trino_may_assume_its_own_role() -> None:
    """Trino signs requests only with keys or a role that it assumes: without this a signed catalog never answers."""
    catalog = {"uri": "https://glue.eu-central-1.amazonaws.com/iceberg", "sigv4": {}, "warehouse": ACCOUNT}
    resources, _ = run_program({**stack_config("staging"), "headwater:catalog": json.dumps(catalog)}, "staging")
    role = f"arn:aws:iam::{ACCOUNT}:role/headwater-staging-trino"
    found = {r.name: plain(r.inputs) for r in resources if r.type.startswith("aws:iam/role")}
    assert iam.allowed(json.loads(found["trino-policy"]["policy"]), "sts:AssumeRole", role)
    assert iam.allowed(json.loads(found["trino-policy"]["policy"]), "glue:UpdateTable", MARTS_TABLE)
    assert not iam.allowed(json.loads(found["ingestion-policy"]["policy"]), "sts:AssumeRole", role)
    trusted = json.loads(found["trino-role"]["assumeRolePolicy"])["Statement"]
    own = [each for each in trusted if "AWS" in each["Principal"]]
    assert iam.holds(own[0]["Condition"], {"aws:PrincipalArn": role})
    assert not iam.holds(own[0]["Condition"], {"aws:PrincipalArn": role.replace("trino", "ingestion")})
    (files,) = [plain(r.inputs)["data"] for r in resources if r.name == "trino-config"]
    assert f"s3.iam-role={role}" in files["catalog.lake.properties"].splitlines()


@pytest.mark.parametrize(
    ("document", "action", "context", "decision"),
    [
        ([("Allow", "s3:Get*", "arn:b/*", None)], "s3:GetObject", {}, True),
        ([("Allow", "s3:get*", "arn:b/*", None)], "s3:GetObject", {}, True),
        ([("Allow", "s3:Get*", "arn:b", None)], "s3:GetObject", {}, False),
        ([("Allow", "*", "*", None), ("Deny", "s3:GetObject", "*", None)], "s3:GetObject", {}, False),
        ([("Allow", "*", "*", {"StringLike": {"k": "a*"}})], "s3:GetObject", {"k": "ab"}, True),
        ([("Allow", "*", "*", {"StringLike": {"k": "a*"}})], "s3:GetObject", {}, False),
        ([("Allow", "*", "*", {"StringEquals": {"k": ["b", "a"]}})], "s3:GetObject", {"k": "a"}, True),
        ([("Allow", "*", "*", {"StringEquals": {"k": "a*"}})], "s3:GetObject", {"k": "ab"}, False),
    ],
)
def test_the_evaluator_decides_as_aws_does(
    document: list[tuple[Any, ...]], action: str, context: dict[str, str], decision: bool
) -> None:
    """An evaluator that says no to all, or yes, would prove nothing above."""
    made = [
        {"Effect": effect, "Action": actions, "Resource": resource}
        | ({} if condition is None else {"Condition": condition})
        for effect, actions, resource, condition in document
    ]
    assert iam.allowed({"Statement": made}, action, "arn:b/key", context) is decision
