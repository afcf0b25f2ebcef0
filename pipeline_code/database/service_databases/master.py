"""The master's credentials, from AWS Secrets Manager."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Master:
    """The administrator of the server; not a superuser, which a managed PostgreSQL has none of."""

    user: str
    password: str = field(repr=False)


def master(client: Any, secret: str) -> Master:
    """Return the credentials that RDS keeps in the secret (an ARN).

    client: boto3's for Secrets Manager. Raises ValueError when the secret is not one of RDS.
    """
    text = client.get_secret_value(SecretId=secret)["SecretString"]
    try:
        content = json.loads(text)
        return Master(content["username"], content["password"])
    except (ValueError, TypeError, KeyError):
        # Without the cause: a parser's error quotes what it read.
        raise ValueError(f"secret {secret} holds no username and password, as those of RDS do") from None
