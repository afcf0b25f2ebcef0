"""What AWS refuses in the middle of an update is refused at preview: in tags, twice, too large, too old, elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components import settings
from tests.unit.components.settings.test_aws_settings import AWS, CI, CLUSTER, EKS, TAGS, aws

ADMIN = "arn:aws:iam::111122223333:role/people"
PREVIEW = "arn:aws:iam::111122223333:role/lake-ci-preview"


@pytest.mark.parametrize(
    ("raw", "path", "says"),
    [
        *((aws(tags={**TAGS, "owner": each}), "headwater:aws.tags.owner", "_ . : / = + - @")
          for each in ("Data & Analytics, (EU)", "team#1", "two\nlines", "it's", "a*b")),
        *((aws(tags={**TAGS, "cost_center": each}), "headwater:aws.tags.cost_center", "begins with aws:")
          for each in ("aws:team", "AWS:1")),
        (aws(tags={**TAGS, "cost_center": "rds:1"}), "headwater:aws.tags.cost_center", "begins with rds:"),
        *(({**EKS, "database": {"kind": "rds", "size": "20Gi", "instance_class": each}},
           f"headwater:database.instance_class: '{each}'", "PostgreSQL 15") for each in ("db.t2.micro", "db.r4.large")),
        (aws(cluster={"administrators": [ADMIN, ADMIN]}), "headwater:aws.cluster.administrators", "twice"),
        (aws(cluster={"public_access": [f"8.8.8.{each}" for each in range(41)]}),
         "headwater:aws.cluster.public_access", "at most 40"),
        (aws(cluster={"nodes": {"disk": "99999Gi"}}), "headwater:aws.cluster.nodes.disk: '99999Gi'", "65536Gi"),
        (aws(budget={"monthly_usd": 10, "emails": ["a@b.c", "a@b.c"]}), "headwater:aws.budget.emails", "twice"),
        ({**EKS, "observability": {"kind": "cloudwatch", "emails": ["a@b.c", "a@b.c"]}},
         "headwater:observability.emails", "twice"),
        (aws(ci={**CI, "secrets_key": "arn:aws:kms:eu-central-1:1:key/*"}), "headwater:aws.ci.secrets_key", "KMS key"),
        (aws(ci={**CI, "repository": "acme/lake.git"}), "headwater:aws.ci.repository: 'acme/lake.git'", ".git"),
        (aws(ci={**CI, "oidc_provider": "arn:aws:iam::444455556666:oidc-provider/x"}),
         "headwater:aws.ci.oidc_provider", "111122223333"),
        ({**EKS, **aws(name="lake", ci=CI, cluster={**CLUSTER, "administrators": [PREVIEW]})},
         "headwater:aws.cluster.administrators", "leave it out"),
        *((aws(schedule={"timezone": each}), f"headwater:aws.schedule.timezone: '{each}'", "Europe/Berlin")
          for each in ("Factory", "localtime")),
        *(({"kubernetes": {"namespace": each}}, f"headwater:kubernetes.namespace: '{each}'", "kube-")
          for each in ("kube-system", "kube-own")),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_named(raw: dict[str, Any], path: str, says: str) -> None:
    """Half an environment is there when AWS says so."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse(raw)
    assert path in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("storage", "ci", "path"),
    [
        ("headwater-qa-access-logs-111122223333", "acme-state", "headwater:storage.bucket"),
        ("headwater-qa-artefacts-111122223333", "acme-state", "headwater:storage.bucket"),
        ("acme-state", "acme-state", "headwater:storage.bucket"),
    ],
)
def test_the_lake_has_a_bucket_of_its_own(storage: str, ci: str, path: str) -> None:
    """The second bucket of that name is refused, after the cluster was made; or the lake's rules delete a state."""
    raw = {**EKS, "storage": {"kind": "s3", "bucket": storage}, **aws(ci={**CI, "state_bucket": ci})}
    config = {f"headwater:{key}": json.dumps(value) for key, value in raw.items()}
    with pytest.raises(pulumi.RunError, match=f"{path}: '{storage}'"):
        settings.load(config, {}, "qa")


def test_a_tags_value_may_have_letters_of_every_language() -> None:
    """A team in Köln could not write its name."""
    tags = {"owner": "Datenteam Köln 2", "cost_center": "a_b.c:d/e=f+g-h@i"}
    parsed = settings.parse({**EKS, "aws": {**AWS, "tags": tags}})
    assert parsed.aws is not None
    assert parsed.aws.tags.model_dump() == tags
