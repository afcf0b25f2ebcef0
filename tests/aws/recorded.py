"""A stack's program with a marker in place of every value that AWS would answer: who uses which output is then known.

Mocks alone give values that look real, and a literal tells nothing of where it came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pulumi

from tests.unit.components.conftest import Cloud, Resource, plain, run_program, stack_config
from tests.unit.components.served import SECRETS, SERVING

MARK = "@@"
# moto plays this account.
ACCOUNT = "123456789012"
CI = {"repository": "acme/lake", "state_bucket": "acme-state"}
Path = tuple[str | int, ...]


class Marking(Cloud):
    """Answers each text among the outputs of AWS's resources with a marker of the resource and the path."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        identifier, outputs = super().new_resource(args)
        if not args.typ.startswith("aws:"):
            return identifier, outputs
        whose = f"{args.typ}|{args.name}"
        return marker(whose, ("id",)), {key: marked(whose, (key,), value) for key, value in plain(outputs).items()}


def marker(whose: str, path: Path) -> str:
    """Return what stands for an output: `@@aws:eks/cluster:Cluster|cluster|certificateAuthority.data@@`."""
    return f"{MARK}{whose}|{'.'.join(map(str, path))}{MARK}"


def marked(whose: str, path: Path, value: Any) -> Any:
    """Return an output with a marker for each text in it; the tags and what the program looks things up by stay."""
    if isinstance(value, dict):
        return {key: marked(whose, (*path, key), item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [marked(whose, (*path, index), item) for index, item in enumerate(value)]
    if not isinstance(value, str) or path[0] in {"tags", "tagsAll"} or path[-1] == "domainName":
        return value
    return marker(whose, path)


def configuration(stack: str, *, protected: bool = True, extras: bool = False) -> dict[str, str]:
    """Return a stack file's settings for moto's account. protected: False lifts the deletion protection.

    extras: with a load balancer below the hosted zone, and the roles of CI.
    """
    config = stack_config(stack)
    aws = json.loads(config["headwater:aws"]) | {"account": ACCOUNT}
    if not protected:
        aws["deletion_protection"] = False
    if extras:
        key = f"arn:aws:kms:{aws['region']}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
        aws["ci"] = {**CI, "secrets_key": key}
        config["headwater:serving"] = json.dumps({**SERVING, "scheme": "internal"})
    return {**config, "headwater:aws": json.dumps(aws)}


def record(config: dict[str, str], stack: str, *, extras: bool = False) -> list[Resource]:
    """Return what the program registers, with markers among the inputs."""
    secrets: Mapping[str, str] = SECRETS if extras else MappingProxyType({})
    return run_program(config, stack, secrets, Marking())[0]
