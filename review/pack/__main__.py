"""The rules as a policy pack: `pulumi preview --policy-pack review/pack`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pulumi_policy import EnforcementLevel, PolicyPack

from review.policy_pack import policies

PolicyPack(name="headwater", policies=list(policies()), enforcement_level=EnforcementLevel.MANDATORY)
