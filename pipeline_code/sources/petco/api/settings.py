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
    """The one connected app that Salesforce's stand-in knows."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Access:
    """Who may call what; a service without access is not served."""

    stripe: StripeAccess | None = None
    salesforce: SalesforceAccess | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Access":
        """Reads STRIPE_API_KEY, and SALESFORCE_CLIENT_ID with SALESFORCE_CLIENT_SECRET.

        Raises SettingError when neither service has its own, or when one of a pair is missing.
        """
        key = environment.get("STRIPE_API_KEY")
        client, secret = environment.get("SALESFORCE_CLIENT_ID"), environment.get("SALESFORCE_CLIENT_SECRET")
        if bool(client) != bool(secret):
            missing = "SALESFORCE_CLIENT_SECRET" if client else "SALESFORCE_CLIENT_ID"
            raise SettingError(f"{missing} is not set; Salesforce's stand-in needs both parts of its client")
        if not key and not client:
            raise SettingError(
                "neither STRIPE_API_KEY nor SALESFORCE_CLIENT_ID is set; a service is served to whoever has its "
                "credential, so there is nothing to serve"
            )
        return cls(
            stripe=StripeAccess(key) if key else None,
            salesforce=SalesforceAccess(client, secret) if client and secret else None,
        )
