"""Versions of Kubernetes: EKS supports the one that a stack has, and will for a while."""

from __future__ import annotations

import json
from datetime import timedelta

import pulumi
import pytest

from components import settings
from components.settings import eks
from tests.unit.components.conftest import run_program, stack_config


@pytest.mark.parametrize("version", [*eks.STANDARD_SUPPORT_ENDS, "1.99"])
def test_the_program_refuses_a_version_sixty_days_before_its_support_ends(version: str) -> None:
    """A plain `pulumi up`, which runs no rule: AWS upgrades the cluster by itself, and from then on the program asks
    for a downgrade, which EKS refuses.
    """
    config = stack_config("staging")
    configured = json.loads(config["headwater:aws"])
    configured["cluster"]["version"] = version
    config["headwater:aws"] = json.dumps(configured)
    ends = eks.STANDARD_SUPPORT_ENDS.get(version)
    if ends is None:
        with pytest.raises(pulumi.RunError, match=r"headwater:aws\.cluster\.version: '1\.99' .* take one of 1\.34, "):
            run_program(config, "staging")
        return
    assert run_program(config, "staging", on=ends - timedelta(days=60))
    for days in (59, -1):
        with pytest.raises(pulumi.RunError, match=rf"ends on {ends}, .*docs/aws-operations\.md#upgrade"):
            run_program(config, "staging", on=ends - timedelta(days=days))
    # Who only looks at the stack may: `make status`, `make open`.
    assert settings.load(config, {}, "staging").aws is not None


def test_a_new_cluster_has_a_year_of_support() -> None:
    """A default that is written down once, and is the oldest version of all when somebody takes it."""
    assert eks.STANDARD_SUPPORT_ENDS[eks.DEFAULT] - eks.CHECKED >= timedelta(days=365)
    assert max(eks.STANDARD_SUPPORT_ENDS, key=lambda each: int(each.partition(".")[2])) == eks.DEFAULT
