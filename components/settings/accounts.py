"""Which accounts with web services ingestion reads: the example's stand-ins, real ones, or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings.base import Allowed, Model, WrongField

STRIPE_API_KEY = "stripeApiKey"
SALESFORCE_CLIENT_SECRET = "salesforceClientSecret"  # noqa: S105 - the setting's name
SALESFORCE_PRIVATE_KEY = "salesforcePrivateKey"
SERVICE_SECRETS = (STRIPE_API_KEY, SALESFORCE_CLIENT_SECRET, SALESFORCE_PRIVATE_KEY)
"""Settings that hold a credential: in the stack's encrypted configuration only, beside these models."""

Kind = Literal["stand_in", "account", "none"]
"""stand_in: the example company's. account: a real one, whose credential is a secret of the stack. none: not read."""
HttpsUrl = Annotated[str, Field(pattern=r"^https://[^/\s]+$"), Allowed("https://<host>, without a path")]
NotEmpty = Annotated[str, Field(min_length=1)]
KIND = (
    "Whom ingestion reads. `stand_in` is the example company's, and needs `example.enabled`. `account` is a real "
    "account. With `none` it is not read."
)


class Stripe(Model):
    """Stripe. An account is read with the secret `stripeApiKey`, a key that is restricted to reading."""

    kind: Kind = Field(default="stand_in", description=KIND)


class Salesforce(Model):
    """Salesforce. An account is read with the secret `salesforceClientSecret`; or, where `username` is set, as that
    user with the secret `salesforcePrivateKey`.
    """

    kind: Kind = Field(default="stand_in", description=KIND)
    login_url: HttpsUrl | None = Field(
        default=None, description="The address of the organisation: https://<domain>.my.salesforce.com."
    )
    client_id: NotEmpty | None = Field(default=None, description="The consumer key of the connected app.")
    username: NotEmpty | None = Field(
        default=None, description="The user that a private key logs in as. Not set: the client's secret logs in."
    )
    audience: HttpsUrl | None = Field(
        default=None, description="Whom the tokens of the private key are for. Not set: `login_url`."
    )

    @model_validator(mode="after")
    def _whole(self) -> Salesforce:
        given = sorted(self.model_fields_set - {"kind"})
        if self.kind != "account":
            if given:
                why = f"{', '.join(given)} go with kind 'account'; kind is {self.kind!r}"
                raise WrongField(given[0], getattr(self, given[0]), why)
            return self
        missing = [name for name in ("login_url", "client_id") if getattr(self, name) is None]
        if missing:
            raise WrongField(
                missing[0],
                None,
                f"kind 'account' needs {' and '.join(missing)}: login_url is https://<domain>.my.salesforce.com, "
                "client_id the connected app's consumer key",
            )
        if self.audience is not None and self.username is None:
            why = "audience goes with username: only a login by private key names whom it is for"
            raise WrongField("audience", self.audience, why)
        return self


class Services(Model):
    """The web services that ingestion can read."""

    stripe: Stripe = Stripe()
    salesforce: Salesforce = Salesforce()

    @property
    def stand_ins(self) -> frozenset[str]:
        """Names of the services that the example company has to play."""
        return self._of("stand_in")

    @property
    def unconnected(self) -> frozenset[str]:
        """Names of the services that this stack does not read."""
        return self._of("none")

    def _of(self, kind: Kind) -> frozenset[str]:
        chosen = {"stripe": self.stripe.kind, "salesforce": self.salesforce.kind}
        return frozenset(name for name, each in chosen.items() if each == kind)


def service_contradictions(services: Services, *, example: bool) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and explanation of what can't be. example: whether the example company is there."""
    for name in sorted(services.stand_ins):
        if not example:
            yield (
                f"services.{name}.kind",
                "stand_in",
                "the stand-in is the example company's, and example.enabled is false: say 'account' for yours "
                "(docs/aws.md), or 'none'",
            )
