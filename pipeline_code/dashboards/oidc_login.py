"""Login at an identity provider (OpenID Connect), with roles from the provider's groups.

Environment: SUPERSET_OIDC_ISSUER, SUPERSET_OIDC_CLIENT, SUPERSET_OIDC_SECRET, SUPERSET_OIDC_SCOPES (words),
SUPERSET_OIDC_GROUPS_CLAIM, SUPERSET_OIDC_ROLES (JSON, group → admin, editor or viewer). Without them there is no such
login. A user in no group that has a role is refused; a user in several groups has all their roles. Roles are set at
each login.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from superset.security import SupersetSecurityManager

logger = logging.getLogger(__name__)

PROVIDER = "oidc"
# The role's name in Superset, where it is another one.
ROLES = {"admin": "Admin", "editor": "editor", "viewer": "viewer"}
# Superset keeps at most this much of a user's name.
LONGEST_NAME = 64


@dataclass(frozen=True)
class Settings:
    """What the environment says of the login. mapping: group → roles in Superset."""

    issuer: str
    groups_claim: str
    provider: Mapping[str, Any]
    mapping: Mapping[str, list[str]]


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the variables; a KeyError names a missing one, a ValueError a role that does not exist."""
    issuer = environment["SUPERSET_OIDC_ISSUER"]
    roles: dict[str, str] = json.loads(environment["SUPERSET_OIDC_ROLES"])
    unknown = sorted({role for role in roles.values() if role not in ROLES})
    if unknown:
        raise ValueError(f"SUPERSET_OIDC_ROLES: there is no role {', '.join(unknown)}; there are {', '.join(ROLES)}")
    provider = {
        "name": PROVIDER,
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {
            "client_id": environment["SUPERSET_OIDC_CLIENT"],
            "client_secret": environment["SUPERSET_OIDC_SECRET"],
            "server_metadata_url": f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            "client_kwargs": {"scope": environment["SUPERSET_OIDC_SCOPES"], "code_challenge_method": "S256"},
        },
    }
    mapping = {group: [ROLES[role]] for group, role in roles.items()}
    return Settings(issuer, environment["SUPERSET_OIDC_GROUPS_CLAIM"], provider, mapping)


def user_name(subject: str) -> str:
    """Return the name of the provider's user: never that of a provisioned one, whatever the provider calls them."""
    name = f"{PROVIDER}:{subject}"
    return name if len(name) <= LONGEST_NAME else f"{PROVIDER}:{hashlib.sha256(subject.encode()).hexdigest()[:40]}"


def groups_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """Return the groups that a claim holds: a list, or one group as text."""
    found = claims.get(name, [])
    return [found] if isinstance(found, str) else [str(each) for each in found]


class OidcSecurityManager(SupersetSecurityManager):
    """Superset's security manager, for users whom an identity provider knows."""

    def get_oauth_user_info(self, provider: str, resp: dict[str, Any]) -> dict[str, Any]:
        """Return the user as Superset keeps them, from the ID token, whose signature and nonce Authlib has verified.

        Groups that are not in the ID token are asked for at the provider. Raises ValueError for a token of another
        issuer, or of another user than the provider then speaks of.
        """
        configured = self.oidc_settings()
        claims = dict(resp["userinfo"])
        if claims["iss"] != configured.issuer:
            raise ValueError(f"the token is of {claims['iss']}, and SUPERSET_OIDC_ISSUER is {configured.issuer}")
        if configured.groups_claim not in claims:
            more = self.oauth_remotes[provider].userinfo(token=resp)
            if more["sub"] != claims["sub"]:
                raise ValueError("the provider's userinfo is of another user than its ID token")
            claims = {**more, **claims}
        names = str(claims.get("name", "")).split(" ", 1)
        return {
            "username": user_name(claims["sub"]),
            "email": claims.get("email", ""),
            "first_name": claims.get("given_name", names[0]),
            "last_name": claims.get("family_name", names[-1] if len(names) > 1 else ""),
            "role_keys": groups_of(claims, configured.groups_claim),
        }

    def set_oauth_session(self, provider: str, oauth_response: dict[str, Any]) -> None:
        """Keep no token: the session is a cookie, which a long token makes larger than browsers take (4 KB)."""

    def auth_user_oauth(self, userinfo: dict[str, Any]) -> Any:
        """Return the user, made or brought up to date; None when no group of theirs has a role."""
        if not self.get_roles_from_keys(userinfo["role_keys"]):
            logger.warning(
                "login refused: %s is in no group that SUPERSET_OIDC_ROLES names; the groups in the token are %s",
                userinfo["username"], userinfo["role_keys"],
            )  # fmt: skip
            return None
        return super().auth_user_oauth(userinfo)

    def auth_user_db(self, username: str, password: str) -> Any:
        """Refuse passwords, which the REST API would still take from provisioned users."""
        del password
        logger.warning("login refused: %s tried a password, and people log in at the identity provider", username)

    @staticmethod
    def oidc_settings() -> Settings:
        """Return the settings that the configuration has read."""
        from flask import current_app

        found: Settings = current_app.config["OIDC_SETTINGS"]
        return found
