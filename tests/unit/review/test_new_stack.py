"""`make stack`: a new environment's file, without what belongs to the old one alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from review import new_stack

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


def test_comments_that_still_hold_stay(checkout: Path) -> None:
    """Reasons of unusual values lost; or a heading that says of qa what is true of staging."""
    text = new_stack.make("qa", "staging", checkout).text
    assert "# Yours.\n" in text
    assert "single # one is enough" in text
    assert "It is cheap" not in text
    assert "Made by hand" not in text
    assert text.startswith("# Made from Pulumi.staging.yaml")


@pytest.mark.parametrize("name", ["", "QA", "1qa", "qa-", "a" * 27, "../qa", "qa.yaml", "q_a"])
def test_a_name_that_aws_or_the_file_system_refuses(name: str, checkout: Path) -> None:
    """A file that no command finds, or a bucket's name that AWS refuses in the middle of the first deployment."""
    with pytest.raises(new_stack.StackError, match="is not allowed; 2 to 26"):
        new_stack.make(name, "staging", checkout)
    assert len(list(checkout.iterdir())) == 3


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
