"""How people log in to a page: at an identity provider with OpenID Connect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Login:
    """A client of an identity provider. issuer: its URL, below which its discovery document is.

    groups_claim: where an ID token has its user's groups. roles: group → role; who is in none is refused.
    """

    issuer: str
    client: str
    secret: pulumi.Output[str]
    scopes: tuple[str, ...]
    groups_claim: str
    roles: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Return the variables that Superset's configuration reads, without the client's secret."""
        return {
            "SUPERSET_OIDC_ISSUER": self.issuer,
            "SUPERSET_OIDC_CLIENT": self.client,
            "SUPERSET_OIDC_SCOPES": " ".join(self.scopes),
            "SUPERSET_OIDC_GROUPS_CLAIM": self.groups_claim,
            "SUPERSET_OIDC_ROLES": json.dumps(dict(self.roles), sort_keys=True),
        }
