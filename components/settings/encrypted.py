"""Settings that hold a secret: they are in the stack's encrypted configuration, and in no settings model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from components.settings.accounts import SALESFORCE_CLIENT_SECRET, SALESFORCE_PRIVATE_KEY, STRIPE_API_KEY

ROOT_SECRET = "rootSecret"  # noqa: S105 - the setting's name
CATALOG_TOKEN = "catalogToken"  # noqa: S105 - the setting's name
CATALOG_CREDENTIAL = "catalogCredential"
SUPERSET_CLIENT_SECRET = "supersetClientSecret"  # noqa: S105 - the setting's name
DAGSTER_CLIENT_SECRET = "dagsterClientSecret"  # noqa: S105 - the setting's name
SOURCE_PASSWORDS = "sourcePasswords"

SECRETS: Mapping[str, str] = MappingProxyType(
    {
        ROOT_SECRET: "The root secret, 32 characters or more: the platform's own passwords are derived from it.",
        CATALOG_TOKEN: "The token of a REST catalog elsewhere (`catalog.uri`).",
        CATALOG_CREDENTIAL: "Identifier and secret of a client at a REST catalog elsewhere, as `id:secret` "
        "(`catalog.oauth2`).",
        SUPERSET_CLIENT_SECRET: "The secret of Superset's client at the identity provider (`serving.oidc`).",
        DAGSTER_CLIENT_SECRET: "The secret of Dagster's client at the identity provider (`serving.oidc`).",
        SOURCE_PASSWORDS: "Passwords of the sources that `make source` added, each as `sourcePasswords.<source>`.",
        STRIPE_API_KEY: "The key of the account with Stripe (`services.stripe`).",
        SALESFORCE_CLIENT_SECRET: "The secret of Salesforce's connected app (`services.salesforce`).",
        SALESFORCE_PRIVATE_KEY: "The private key of a user of Salesforce (`services.salesforce.username`).",
    }
)
"""What each of them is, by name."""
