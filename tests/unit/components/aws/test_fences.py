"""The names by which a deployment's power is limited are those of what the program makes, in each of its variants."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, get_args

import pytest

from components import settings
from components.aws.boundary import BUCKETS, ROLES, bucket_names
from tests.unit.components.conftest import plain, run_program, stack_config
from tests.unit.components.served import SECRETS, SERVING

ACCOUNT = json.loads(stack_config("staging")["headwater:aws"])["account"]
PREFIX = "headwater-staging"
# Settings of staging that are replaced. Together they have each kind of each role.
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "catalog in the cluster": {"catalog": {"kind": "rest"}, "serving": SERVING},
    "catalog elsewhere": {
        "catalog": {"kind": "rest", "uri": "https://catalog.example.com", "sigv4": {}}, "dashboards": {},
    },
    "data in the cluster": {
        "storage": {"kind": "minio"}, "catalog": {"kind": "rest"}, "database": {"kind": "in-cluster"},
        "observability": {}, "trino": {},
    },
    "database in the cluster": {"database": {"kind": "in-cluster"}, "catalog": {"kind": "rest"}},
}  # fmt: skip


@cache
def made(variant: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of a variant's roles and buckets."""
    config = stack_config("staging") | {f"headwater:{key}": json.dumps(each) for key, each in VARIANTS[variant].items()}
    secrets = SECRETS if "serving" in VARIANTS[variant] else {}
    registered, _ = run_program(config, "staging", secrets)
    roles = frozenset(plain(each.inputs)["name"] for each in registered if each.type == "aws:iam/role:Role")
    return roles, frozenset(plain(each.inputs)["bucket"] for each in registered if each.type == "aws:s3/bucket:Bucket")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_fences_know_every_role_and_bucket(variant: str) -> None:
    """A role that is new, or of a variant that nobody tried: refused in the middle of a deployment, after the merge."""
    roles, buckets = made(variant)
    assert roles <= {f"{PREFIX}-{name}" for name in ROLES}
    assert buckets <= set(bucket_names(ACCOUNT, PREFIX))


def test_the_fences_know_nothing_else() -> None:
    """A name that no variant has any more, by which a deployment still makes a role."""
    assert {name for variant in VARIANTS for name in made(variant)[0]} == {f"{PREFIX}-{name}" for name in ROLES}
    assert len({name for variant in VARIANTS for name in made(variant)[1]}) == len(BUCKETS)


@pytest.mark.parametrize("section", ["storage", "catalog", "database", "observability", "serving"])
def test_the_variants_are_all_there_are(section: str) -> None:
    """A kind that is new, and that no test of the fences sees."""
    model = settings.Settings.model_fields[section].annotation
    assert model is not None
    kinds = set(get_args(model.model_fields["kind"].annotation))
    own = json.loads(stack_config("staging").get(f"headwater:{section}", "{}"))
    default = model.model_fields["kind"].default
    assert len(kinds) > 1
    assert {changed.get(section, own).get("kind", default) for changed in VARIANTS.values()} == kinds
