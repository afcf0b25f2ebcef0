"""`make stack`: a new environment's file, without what belongs to the old one alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from review import new_stack
from tests.unit.review.conftest import ROOT

STAGING = """# A small environment on AWS.
# It is cheap.
config:
  headwater:aws:
    # Yours.
    account: "111122223333"
    name: acme-lake
    network:
      # Free of the office's.
      cidr: 10.20.0.0/16
      nat_gateways: single # one is enough
  # Made by hand.
  headwater:rootSecret:
    secure: v1:abc:def
  headwater:catalogToken:
    secure: v1:ghi:jkl
  headwater:kubernetes:
    kind: eks
encryptionsalt: v1:salt
secretsprovider: awskms://alias/staging
encryptedkey: AAAA
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.staging.yaml").write_text(STAGING)
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  headwater:aws: {network: {cidr: 10.21.0.0/16}}\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  headwater:storage: {kind: minio}\n")
    return tmp_path


def test_nothing_secret_and_no_key_goes_along(checkout: Path) -> None:
    """A secret of staging, unreadable in qa; or the salt, which makes two stacks share a key."""
    made = new_stack.make("qa", "staging", checkout)
    written = yaml.safe_load((checkout / "Pulumi.qa.yaml").read_text())
    assert set(written) == {"config"}
    assert "secure" not in made.text
    assert made.secrets == ("headwater:rootSecret", "headwater:catalogToken")
    steps = new_stack.next_steps(made)
    assert "pulumi config set --secret rootSecret --stack qa" in steps
    assert "pulumi config set --secret catalogToken --stack qa" in steps


def test_names_and_network_are_its_own_and_the_rest_is_the_models(checkout: Path) -> None:
    """Two stacks that fight over one bucket, or whose networks can never be joined; a size that got lost."""
    config = yaml.safe_load(new_stack.make("qa", "staging", checkout).text)["config"]
    assert config == {
        "headwater:aws": {"account": "111122223333", "network": {"cidr": "10.22.0.0/16", "nat_gateways": "single"}},
        "headwater:kubernetes": {"kind": "eks"},
    }


SERVED = """config:
  headwater:aws:
    account: "111122223333"
    # Whose workflows.
    ci:
      repository: acme/lake
      state_bucket: acme-state
      secrets_key: arn:aws:kms:eu-central-1:111122223333:key/abc
    network: {cidr: 10.20.0.0/16}
  headwater:storage:
    kind: s3
    bucket: acme-lake
  headwater:catalog:
    kind: glue
  headwater:serving:
    kind: load_balancer
    domain: data.acme.example
    zone: Z0123456789ABC
    certificate: arn:aws:acm:eu-central-1:111122223333:certificate/1
    oidc:
      issuer: https://login.acme.example
  headwater:kubernetes:
    kind: eks
"""


def test_what_only_one_stack_can_have_stays_with_the_model(checkout: Path) -> None:
    """Two stacks in one bucket, with one domain, one key, or which both make the account's identity provider."""
    (checkout / "Pulumi.staging.yaml").write_text(SERVED)
    made = new_stack.make("qa", "staging", checkout)
    assert yaml.safe_load(made.text)["config"] == {
        "headwater:aws": {"account": "111122223333", "network": {"cidr": "10.22.0.0/16"}},
        "headwater:storage": {"kind": "s3"},
        "headwater:catalog": {"kind": "glue"},
        "headwater:serving": {"kind": "load_balancer", "oidc": {"issuer": "https://login.acme.example"}},
        "headwater:kubernetes": {"kind": "eks"},
    }
    assert "Whose workflows" not in made.text
    steps = new_stack.next_steps(made)
    for told in (
        "no roles of CI",
        "oidc_provider",
        "the lake's bucket",
        "serving.domain must be set",
        "Glue's",
        "oidc:",
    ):
        assert told in steps, told


def test_a_catalog_elsewhere_is_named(checkout: Path) -> None:
    """The new stack writes into the tables of the old one."""
    catalog = "headwater:catalog: {kind: rest, uri: https://c}"
    (checkout / "Pulumi.staging.yaml").write_text(SERVED.replace("headwater:catalog:\n    kind: glue", catalog))
    assert "the tables of staging are there" in new_stack.next_steps(new_stack.make("qa", "staging", checkout))


def test_settings_on_one_line_are_not_cut_through(checkout: Path) -> None:
    """A whole section that goes with the one setting in it which must not be copied."""
    text = SERVED.replace(
        "headwater:storage:\n    kind: s3\n    bucket: acme-lake", "headwater:storage: {bucket: acme}"
    )
    (checkout / "Pulumi.staging.yaml").write_text(text)
    with pytest.raises(new_stack.StackError, match=r"line 10 .* bucket .* write a setting a line"):
        new_stack.make("qa", "staging", checkout)
    assert not (checkout / "Pulumi.qa.yaml").exists()


def test_comments_that_still_hold_stay(checkout: Path) -> None:
    """Reasons of unusual values lost; or a heading that says of qa what is true of staging."""
    text = new_stack.make("qa", "staging", checkout).text
    assert "# Yours.\n" in text
    assert "single # one is enough" in text
    assert "It is cheap" not in text
    assert "Made by hand" not in text
    schema, made = text.splitlines()[:2]
    assert schema == "# yaml-language-server: $schema=headwater.schema.json"
    assert made.startswith("# Made from Pulumi.staging.yaml")


@pytest.mark.parametrize("name", ["", "QA", "1qa", "qa-", "a" * 27, "../qa", "qa.yaml", "q_a", "q--a"])
def test_a_name_that_aws_or_the_file_system_refuses(name: str, checkout: Path) -> None:
    """A file that no command finds, or a bucket's name that AWS refuses in the middle of the first deployment."""
    with pytest.raises(new_stack.StackError, match="is not allowed; 2 to 26"):
        new_stack.make(name, "staging", checkout)
    assert len(list(checkout.iterdir())) == 3


@pytest.mark.parametrize("name", ["staging-preview", "staging-drift", "qa-preview"])
def test_a_name_whose_environment_is_another_stacks(name: str, checkout: Path) -> None:
    """A branch's code, in the preview of staging, deploys the stack staging-preview: it has the account."""
    with pytest.raises(new_stack.StackError, match=f"name='{name}' is not allowed; .* Take another name"):
        new_stack.make(name, "staging", checkout)
    assert len(list(checkout.iterdir())) == 3


def test_a_name_with_which_another_stacks_names_begin(checkout: Path) -> None:
    """Roles and buckets of two stacks that are called the same, found in the middle of the first deployment."""
    (checkout / "Pulumi.dev.yaml").write_text("config:\n  headwater:aws: {name: headwater-qa}\n")
    with pytest.raises(new_stack.StackError, match=r"name='qa': stack dev has headwater:aws\.name"):
        new_stack.make("qa", "staging", checkout)


def test_no_stack_is_overwritten_and_no_model_guessed(checkout: Path) -> None:
    """The settings of prod, gone."""
    with pytest.raises(new_stack.StackError, match="already"):
        new_stack.make("prod", "staging", checkout)
    with pytest.raises(new_stack.StackError, match=r"from='stging'.*dev, prod, staging"):
        new_stack.make("qa", "stging", checkout)
    with pytest.raises(new_stack.StackError, match="did not make"):
        new_stack.make("qa", "dev", checkout)


def test_ranges_that_overlap_are_passed_over() -> None:
    """10.20.0.0/16 beside a 10.0.0.0/11 that another stack has."""
    assert new_stack.next_range("10.0.0.0/16", ["10.0.0.0/11"]) == "10.32.0.0/16"
    with pytest.raises(new_stack.StackError, match="no range"):
        new_stack.next_range("192.168.0.0/16", [])


def test_every_stack_on_aws_is_made_with_a_key_for_its_secrets() -> None:
    """Secrets behind a passphrase: the first workflow of the stack waits for somebody to type it."""
    commands = [
        line
        for page in sorted((ROOT / "docs").glob("*.md"))
        for line in page.read_text().splitlines()
        if line.startswith("pulumi stack init") and not line.startswith("pulumi stack init localstack")
    ]
    assert commands
    for line in commands:
        assert "--secrets-provider awskms://" in line
