"""What the stand-ins read from their environment: who may call them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from petco.database import SettingError


@dataclass(frozen=True)
class StripeAccess:
    """The one key that Stripe's stand-in knows; it may read, and nothing else."""

    key: str = field(repr=False)


@dataclass(frozen=True)
class SalesforceAccess:
    """The one connected app that Salesforce's stand-in knows.

    It logs in with `client_secret`, or as `username` with tokens that the private half of `public_key` (PEM) signed.
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    username: str = ""
    public_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Access:
    """Who may call what; a service without access is not served."""

    stripe: StripeAccess | None = None
    salesforce: SalesforceAccess | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Access":
        """Reads STRIPE_API_KEY, and SALESFORCE_CLIENT_ID with what its app logs in with.

        That is SALESFORCE_CLIENT_SECRET, or SALESFORCE_USERNAME with SALESFORCE_PUBLIC_KEY, or both. Raises
        SettingError when neither service has its own, or when a part is missing.
        """
        key = environment.get("STRIPE_API_KEY")
        salesforce = _salesforce(environment)
        if not key and salesforce is None:
            raise SettingError(
                "neither STRIPE_API_KEY nor SALESFORCE_CLIENT_ID is set; a service is served to whoever has its "
                "credential, so there is nothing to serve"
            )
        return cls(stripe=StripeAccess(key) if key else None, salesforce=salesforce)


def _salesforce(environment: Mapping[str, str]) -> SalesforceAccess | None:
    names = ("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "SALESFORCE_USERNAME", "SALESFORCE_PUBLIC_KEY")
    client, secret, username, public_key = (environment.get(name, "") for name in names)
    if not any((client, secret, username, public_key)):
        return None
    for missing, wanted in (
        (names[0], not client),
        (names[1], not secret and not public_key),
        (names[2], bool(public_key) and not username),
        (names[3], bool(username) and not public_key),
    ):
        if wanted:
            raise SettingError(
                f"{missing} is not set; Salesforce's stand-in needs its client's id, and a secret, or a user with the "
                "public half of a key"
            )
    return SalesforceAccess(client, secret, username, public_key)
