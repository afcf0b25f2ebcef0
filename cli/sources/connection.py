"""A PostgreSQL database as a source: its address, in libpq's form, and its password, which is in none of its files."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates

from cli.platform.kube import Kube
from cli.sources.found import Found
from cli.sources.kinds import Kind, Source
from cli.sources.naming import check_plain, given_name, name_of, quoted
from localstack.console import Step
from localstack.errors import UsageError

SCHEMES = ("postgres", "postgresql")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERIFYING = ("verify-ca", "verify-full")
EXAMPLE = "make source add=postgres://reader@db.internal:5432/crm"
CERTIFICATES = ".ca.pem"
"""Ending of the file with the certificates; Meltano includes *.meltano.yml only."""
SYSTEM = "system"
"""libpq's word for the public certificate authorities."""


@dataclass(frozen=True)
class Authorities:
    """Whom the server's certificate must come from: a file, as `given`, and its text; `system` has none."""

    given: str
    pem: str | None


@dataclass(frozen=True)
class Connection(Source):
    """A PostgreSQL database, and one schema of it."""

    host: str
    port: int
    database: str
    user: str
    schema: str
    sslmode: str
    authorities: Authorities | None = None

    @property
    def place(self) -> str:
        """Return where it is, for people, without the password."""
        return f"postgres://{self.user}@{self.host}:{self.port}/{self.database}, schema {self.schema}"

    @property
    def command(self) -> str:
        """Return the command that adds it, without the password."""
        user, database = (urllib.parse.quote(part, safe="") for part in (self.user, self.database))
        host = f"[{self.host}]" if ":" in self.host else self.host
        options = {} if self.sslmode == "prefer" else {"sslmode": self.sslmode}
        if self.authorities is not None:
            options["sslrootcert"] = self.authorities.given
        query = f"?{urllib.parse.urlencode(options, safe='/')}" if options else ""
        address = f"postgres://{user}@{host}:{self.port}/{database}{query}"
        return f"make source add='{address}' name={self.name} schema='{self.schema}'"

    @property
    def asks(self) -> str | None:
        """Whose password it needs."""
        return f"{self.user} at {self.host}"

    @property
    def identity(self) -> Mapping[str, object]:
        """The settings that tell this source from another of its name."""
        return {"host": self.host, "port": self.port, "database": self.database, "schema": self.schema}

    @property
    def description(self) -> str:
        """What its contracts say about it."""
        return f"Database {self.database} on {self.host}, schema {self.schema}."

    @property
    def beside(self) -> Mapping[str, str]:
        """The certificates that the server's must come from, where it is checked."""
        pem = None if self.authorities is None else self.authorities.pem
        return {} if pem is None else {CERTIFICATES: pem}

    @property
    def request(self) -> Mapping[str, Any]:
        """What the command that looks at it reads, password included."""
        names = ("name", "host", "port", "database", "user", "schema", "sslmode", "password")
        found = {name: getattr(self, name) for name in names}
        if self.authorities is not None:
            found["authorities"] = self.authorities.given if self.authorities.pem is None else self.authorities.pem
        return found

    def settings(self, tables: Sequence[Found]) -> list[str]:  # noqa: ARG002 - what its tables are called decides nothing
        """Return the lines of its settings in the Meltano file."""
        return [
            f"host: {quoted(self.host)}",
            f"port: {self.port}",
            f"database: {quoted(self.database)}",
            f"user: {quoted(self.user)}",
            "# From the Secret ingestion-credentials: no file holds it.",
            f"password: ${self.variable}",
            f"sslmode: {self.sslmode}",
            *self._trust,
            f"schema: {quoted(self.schema)}",
        ]

    @property
    def _trust(self) -> list[str]:
        if self.authorities is None:
            return []
        if self.authorities.pem is None:
            return ["sslrootcert: system"]
        return [f"sslrootcert: $MELTANO_PROJECT_ROOT/sources/{self.name}{CERTIFICATES}"]

    def send(self, kube: Kube, step: Step) -> None:
        """Nothing: the platform reads it where it is."""

    @property
    def variable(self) -> str:
        """Return the environment variable of its password."""
        return f"{self.name.upper()}_PASSWORD"


def parse(address: str, name: str | None, schema: str | None, said: str | None = None, _bucket: str = "") -> Connection:
    """Return the connection that an address says. Raises UsageError, which never repeats the password."""
    if said is not None:
        raise UsageError("set= goes with files; a database says its types itself")
    scheme = address.partition("://")[0]
    try:
        parts = urllib.parse.urlsplit(address)
        port = 5432 if parts.port is None else parts.port
    except ValueError as error:
        raise UsageError(f"add={scheme}://…: {_without_secret(str(error), address)}; for example: {EXAMPLE}") from None
    database = urllib.parse.unquote(parts.path.removeprefix("/"))
    found = {"host": parts.hostname, "user": parts.username, "database": database}
    absent = [what for what, value in found.items() if not value]
    if absent:
        raise UsageError(f"add={scheme}://… names no {' and no '.join(absent)}; for example: {EXAMPLE}")
    user = urllib.parse.unquote(parts.username or "")
    chosen = "public" if schema is None else schema
    for what, value in (("user", user), ("database", database), ("host", parts.hostname or ""), ("schema", chosen)):
        check_plain(what, value)
    mode, root = _options(parts.query)
    return Connection(
        name=name_of("database", database) if name is None else given_name(name),
        host=parts.hostname or "",
        port=port,
        database=database,
        user=user,
        schema=chosen,
        sslmode=mode,
        authorities=_authorities(mode, root),
        password=None if parts.password is None else urllib.parse.unquote(parts.password),
    )


def _options(query: str) -> tuple[str, str | None]:
    """Return sslmode and sslrootcert of the address. Raises UsageError for any other option, or a wrong mode."""
    options = urllib.parse.parse_qs(query, keep_blank_values=True)
    mode = options.pop("sslmode", ["prefer"])[-1]
    root = options.pop("sslrootcert", [None])[-1]
    if options:
        raise UsageError(
            f"the address has options that are not known: {', '.join(sorted(options))}; allowed: sslmode, sslrootcert"
        )
    if mode not in SSL_MODES:
        raise UsageError(f"sslmode={mode!r} is not known; allowed: {', '.join(SSL_MODES)}")
    return mode, root


def _authorities(mode: str, root: str | None) -> Authorities | None:
    """Return whom the certificate must come from. Raises UsageError for a mode without it, or a file that is none."""
    if root is None:
        if mode in VERIFYING:
            raise UsageError(
                f"sslmode={mode} needs the authority that signed the server's certificate: sslrootcert=./ca.pem, a "
                "file with that authority's certificate, or sslrootcert=system for the public authorities"
            )
        return None
    if mode not in VERIFYING:
        raise UsageError(f"sslrootcert goes with sslmode={' or '.join(VERIFYING)}; sslmode is {mode!r}")
    if root == SYSTEM:
        if mode != "verify-full":
            raise UsageError("sslrootcert=system goes with sslmode=verify-full: anybody can have a public certificate")
        return Authorities(SYSTEM, None)
    path = Path(root)
    try:
        text = path.read_text(encoding="ascii")
        found = load_pem_x509_certificates(text.encode())
    except OSError as error:
        raise UsageError(f"sslrootcert={root!r} can't be read: {error.strerror} (seen from {Path.cwd()})") from error
    except ValueError as error:
        raise UsageError(f"sslrootcert={root!r} holds no certificate in PEM form") from error
    if "PRIVATE KEY" in text:
        raise UsageError(f"sslrootcert={root!r} holds a private key, which must not get into files that are shared")
    # The certificates alone: whatever else such a file says is not written into the checkout.
    pem = "".join(each.public_bytes(Encoding.PEM).decode() for each in found)
    return Authorities(str(path.resolve()), pem)


def _without_secret(text: str, address: str) -> str:
    """Return an error's text without what it may repeat of the address."""
    authority = address.partition("://")[2].partition("/")[0]
    return text if not any(part and part in text for part in re.split(r"[:@]", authority)[1:-1]) else "no such address"


def _place_of(config: Mapping[str, Any]) -> str:
    return f"{config['database']} on {config['host']}:{config['port']}, schema {config['schema']}"


KIND = Kind(
    kind="postgres",
    tap="tap-postgres",
    looks="headwater-discover",
    accepts=lambda address: address.partition("://")[0] in SCHEMES and "://" in address,
    parse=parse,
    place_of=_place_of,
    example=EXAMPLE,
    schemes=SCHEMES,
)
