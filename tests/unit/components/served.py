"""The programs of the stacks on AWS with a load balancer in front, as docs/aws.md shows how to ask for one."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.unit.components.conftest import Resource, run_program, stack_config

OIDC: dict[str, Any] = {
    "issuer": "https://login.example.com/realms/data",
    "authorization_endpoint": "https://login.example.com/realms/data/authorize",
    "token_endpoint": "https://login.example.com/realms/data/token",
    "userinfo_endpoint": "https://login.example.com/realms/data/userinfo",
    "superset_client": "superset",
    "dagster_client": "dagster",
    "roles": {"data-platform": "admin", "analysts": "editor", "everyone": "viewer"},
}
SERVING: dict[str, Any] = {
    "kind": "load_balancer",
    "domain": "data.example.com",
    "zone": "Z0123456789ABC",
    "allow": ["203.0.113.0/24"],
    "oidc": OIDC,
}
SECRETS = {
    "headwater:supersetClientSecret": "superset-secret-of-the-provider",
    "headwater:dagsterClientSecret": "dagster-secret-of-the-provider",
}


@cache
def served_program(stack: str, scheme: str = "internal") -> tuple[list[Resource], dict[str, Any]]:
    """Run the program of a stack with a load balancer of that scheme, once."""
    serving = json.dumps({**SERVING, "scheme": scheme})
    return run_program({**stack_config(stack), "headwater:serving": serving}, stack, SECRETS)
