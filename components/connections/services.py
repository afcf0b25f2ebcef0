"""A service that ingestion reads over the web, as its tap sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True)
class WebService:
    """One account with a service.

    environment: variables of its tap, as meltano.yml names them. secrets: those that hold a credential.
    """

    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    ready: tuple[pulumi.Resource, ...] = ()

    def secret_values(self) -> dict[str, pulumi.Output[str]]:
        """Return what a Secret of the client holds: STRIPE_API_KEY is under `stripe-api-key`."""
        return {_key(variable): value for variable, value in self.secrets.items()}

    def secret_environment(self) -> dict[str, str]:
        """Return variable → key of that Secret."""
        return {variable: _key(variable) for variable in self.secrets}


def _key(variable: str) -> str:
    return variable.lower().replace("_", "-")
