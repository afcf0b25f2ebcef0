"""Logins of a connected app (OAuth 2.0): by its secret, or by a token that its private key signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from headwater_tap.calls import Caller, ServiceError, json_of, shown

from tap_salesforce.assertion import Assertion, private_key


class Grant(Protocol):
    """How a connected app shows who it is."""

    @property
    def check(self) -> str:
        """What to look at when it is refused."""
        ...

    def options(self) -> dict[str, Any]:
        """Return the login request's options, those of `requests`."""
        ...


@dataclass(frozen=True)
class ClientSecret:
    """The client credentials flow: the app logs in as the user that its owner chose for it."""

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def check(self) -> str:
        """What to look at when it is refused."""
        return (
            "Check client_id, client_secret and login_url, and that the connected app allows the client credentials "
            "flow and names a user to run as."
        )

    def options(self) -> dict[str, Any]:
        """Return the form that is sent."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        return {"data": form}


@dataclass(frozen=True)
class SignedToken:
    """The JWT bearer flow: the app logs in as `username`, whom it was approved for beforehand."""

    assertion: Assertion

    @property
    def check(self) -> str:
        """What to look at when it is refused."""
        return (
            f"Check client_id, username ({self.assertion.username}) and audience ({self.assertion.audience}), that the "
            "certificate of private_key is uploaded to the connected app, that the user is approved for it (Permitted "
            "Users, and the user's profile or a permission set), and this machine's clock."
        )

    def options(self) -> dict[str, Any]:
        """Return what signs and sends a token, a new one at each attempt."""
        return {"auth": self.assertion}


@dataclass(frozen=True)
class Credentials:
    """A connected app of the organisation at `login_url`, https://<domain>.my.salesforce.com."""

    login_url: str
    grant: Grant

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Credentials:
        """Return the credentials of the tap's settings; an empty setting is one that is not set.

        Raises ServiceError unless there is exactly one of client_secret and private_key, username beside the latter.
        """
        login_url = str(config["login_url"]).rstrip("/")
        secret, key, username = (config.get(name) for name in ("client_secret", "private_key", "username"))
        if bool(secret) == bool(key):
            found = "both are" if secret else "neither is"
            raise ServiceError(
                f"Salesforce: set either client_secret (client credentials flow) or private_key with username (JWT "
                f"bearer flow); {found} set"
            )
        if secret:
            return cls(login_url, ClientSecret(config["client_id"], str(secret)))
        if not username:
            raise ServiceError(
                "Salesforce: private_key is set and username is not: set it to the user that the tap is to log in as"
            )
        audience = config.get("audience") or login_url
        return cls(
            login_url, SignedToken(Assertion(config["client_id"], str(username), str(audience), private_key(str(key))))
        )


@dataclass(frozen=True)
class Session:
    """A session: where the organisation's API is, and the token that opens it."""

    instance_url: str
    token: str = field(repr=False)


def log_in(caller: Caller, credentials: Credentials) -> Session:
    """Return a new session. Raises ServiceError, with what Salesforce says, when it refuses."""

    def read(response: requests.Response) -> Session:
        if response.status_code != 200:
            raise ServiceError(
                f"Salesforce refused the login at {credentials.login_url} (status {response.status_code}): "
                f"{_said(response)}. {credentials.grant.check}"
            )
        answer = json_of(response)
        return Session(str(answer["instance_url"]).rstrip("/"), str(answer["access_token"]))

    return caller.call("POST", f"{credentials.login_url}/services/oauth2/token", read, **credentials.grant.options())


def _said(response: requests.Response) -> str:
    try:
        answer = response.json()
        return f"{answer['error']}: {answer.get('error_description')}"
    except (ValueError, KeyError, TypeError):
        return shown(response)
