"""The lake of a stack through Trino: connects, with a login if the stack requires one, and runs queries."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import trino
from trino.exceptions import Error, HttpError, TrinoQueryError

from cli.platform.forward import reach
from cli.platform.kube import Kube
from cli.program import stack
from components.lake import ADMIN, LAKE, SERVED
from localstack.errors import LocalError, not_allowed

CERTIFICATE = "trino-certificate"
"""The ConfigMap with what clients trust, where Trino asks for a login."""
MISSING = frozenset({"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND"})
"""What Trino says while no run has had anything to write down."""
FAILURES = (Error, HttpError, OSError)
"""What a query may end with: Trino's errors, its HTTP answers such as a refused login, and the network's."""


@contextlib.contextmanager
def connected(kube: Kube, user: str = ADMIN) -> Iterator[Any]:
    """Yield a connection to the stack's Trino, in the lake's marts. `user`: whose login, where Trino asks for one.

    Only the administrator may read what no dashboard shows: what was set aside, what is open about the sources.
    """
    given = login(kube, user) if kube.platform.login else {"user": getpass.getuser()}
    with reach(kube, "trino") as address:
        yield trino.dbapi.connect(host=address, catalog=LAKE, schema=SERVED, source="headwater", **given)  # type: ignore[no-untyped-call]


def login(kube: Kube, user: str) -> dict[str, Any]:
    """Return what a connection over HTTPS needs to log in. Raises UsageError for a user that is not there."""
    session = requests.Session()
    # Else REQUESTS_CA_BUNDLE would count in place of the certificate.
    session.trust_env, session.verify = False, str(certificate(kube))
    return {"user": user, "auth": trino.auth.BasicAuthentication(user, password(kube, user)), "http_session": session}


def password(kube: Kube, user: str) -> str:
    """Return the password of a user of Trino. Raises UsageError for one that is not there."""
    name = kube.platform.stack
    passwords = stack.outputs(kube.home, name).get("trino_passwords")
    if passwords is None:
        raise LocalError(
            f"stack {name} was deployed without logins for Trino, but its settings require them: pulumi up"
        )
    if user not in passwords:
        raise not_allowed("u", user, passwords)
    return str(passwords[user])


def certificate(kube: Kube) -> Path:
    """Return a file with the certificate of the stack's Trino, which it has written."""
    (trusted,) = kube.get(f"configmap/{CERTIFICATE}", kube.platform.namespace)
    file = kube.home.state / f"trino-{kube.platform.stack}.pem"
    file.write_text("".join(trusted["data"].values()))
    return file


def explain(error: Exception) -> str:
    """Return Trino's own message without the client's wrapping."""
    message = getattr(error, "message", None)
    return str(error if message is None else message)


def rows(connection: Any, sql: str) -> list[list[Any]]:
    """Return the rows of a query, none where its table was never made. Raises LocalError with what Trino says."""
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        found: list[list[Any]] = cursor.fetchall()
    except TrinoQueryError as error:
        if error.error_name in MISSING:
            return []
        raise LocalError(f"trino: {explain(error)}") from error
    except FAILURES as error:
        raise LocalError(f"trino: {error}") from error
    return found
