"""What `add=` says: an address in the form of libpq's, its name in the lake, and the password, which no file holds."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates

from localstack.errors import UsageError

SCHEMES = ("postgres", "postgresql")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERIFYING = ("verify-ca", "verify-full")
NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
"""Names of sources: they begin the names of tables, variables (in capitals) and Jobs, which have 63 letters."""
RESERVED = frozenset({"raw", "staging", "intermediate", "marts", "snapshots", "source", "stg", "int"})
"""Names that schemas of the lake, or groups of assets, have already."""
EXAMPLE = "make source add=postgres://reader@db.internal:5432/crm"


SYSTEM = "system"
"""libpq's word for the public certificate authorities."""


@dataclass(frozen=True)
class Authorities:
    """Whom the server's certificate must come from: a file, as `given`, and its text; `system` has none."""

    given: str
    pem: str | None


@dataclass(frozen=True)
class Connection:
    """A PostgreSQL database, one schema of it, and what it is called here. `password` is None where none was given."""

    name: str
    host: str
    port: int
    database: str
    user: str
    schema: str
    sslmode: str
    authorities: Authorities | None = None
    password: str | None = field(default=None, repr=False)

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
    def variable(self) -> str:
        """Return the environment variable of its password."""
        return f"{self.name.upper()}_PASSWORD"


def parse(address: str, name: str | None, schema: str | None) -> Connection:
    """Return the connection that an address says. Raises UsageError, which never repeats the password."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        raise UsageError(f"add= takes the address of a PostgreSQL database, for example: {EXAMPLE}")
    if scheme not in SCHEMES:
        raise UsageError(f"add={scheme}://…: no such kind of source; allowed: {', '.join(SCHEMES)}")
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
        if not value.isprintable() or "$" in value or not value:
            raise UsageError(f"{what} {value!r}: a $ or a control character would be read as something else by Meltano")
    mode, root = _options(parts.query)
    return Connection(
        name=_name(database if name is None else name, given=name is not None),
        host=parts.hostname or "",
        port=port,
        database=database,
        user=user,
        schema=chosen,
        sslmode=mode,
        authorities=_authorities(mode, root),
        password=None if parts.password is None else urllib.parse.unquote(parts.password),
    )


def _name(text: str, *, given: bool) -> str:
    if given:
        if NAME.fullmatch(text) is None or text in RESERVED:
            taken = f", and not {', '.join(sorted(RESERVED))}"
            raise UsageError(f"name={text!r}: a small letter, then up to 29 small letters, digits and _{taken}")
        return text
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    if NAME.fullmatch(name) is None or name in RESERVED:
        raise UsageError(f"database {text!r} gives no name; say one: name=crm")
    return name


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
                f"sslmode={mode} needs to know whom the server's certificate must come from: sslrootcert=./ca.pem, a "
                "file with the authority's certificate, or sslrootcert=system for the public authorities"
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
