"""OAuth 2.0 client credentials: a connected app logs in as the user that its owner chose for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import requests
from headwater_tap.calls import Caller, ServiceError, json_of, shown


@dataclass(frozen=True)
class Credentials:
    """A connected app of the organisation at `login_url`, https://<domain>.my.salesforce.com."""

    login_url: str
    client_id: str
    client_secret: str = field(repr=False)


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
                f"{_said(response)}. Check client_id, client_secret and login_url, and that the connected app allows "
                "the client credentials flow and names a user to run as."
            )
        answer = json_of(response)
        return Session(str(answer["instance_url"]).rstrip("/"), str(answer["access_token"]))

    return caller.call(
        "POST",
        f"{credentials.login_url.rstrip('/')}/services/oauth2/token",
        read,
        data={
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        },
    )


def _said(response: requests.Response) -> str:
    try:
        answer = response.json()
        return f"{answer['error']}: {answer.get('error_description')}"
    except (ValueError, KeyError, TypeError):
        return shown(response)
