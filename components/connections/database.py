"""Databases as their clients see them: PostgreSQL and Trino."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from components import ports
from components.lake import LAKE

SslMode = Literal["require", "verify-full"]
# Where every client of Trino finds its certificate; run pods too, which pipeline_code/orchestration describes.
TRINO_TRUST = "/etc/headwater/trino"
TRINO_CERTIFICATE = "trino.pem"
# The same for the authorities by which clients know the database.
DATABASE_TRUST = "/etc/headwater/database"
DATABASE_AUTHORITIES = "authorities.pem"


@dataclass(frozen=True)
class Database:
    """One PostgreSQL database and the role that uses it.

    host: an output where the server has a name only once it is made. sslmode: libpq's; None leaves it to the client,
    whose default takes TLS where the server offers it. authorities: for verify-full, the ConfigMap whose key
    DATABASE_AUTHORITIES holds the certificates that vouch for the server; the client mounts it at DATABASE_TRUST.
    """

    host: pulumi.Input[str]
    name: str
    user: str
    password: pulumi.Output[str]
    port: int = ports.POSTGRES
    sslmode: SslMode | None = None
    authorities: str | None = None
    ready: tuple[pulumi.Resource, ...] = ()

    def libpq_environment(self) -> dict[str, str]:
        """Return libpq's own variables, for clients that connect to this database only."""
        return {f"PG{name.upper()}": value for name, value in self._tls().items()}

    def jdbc_uri(self) -> pulumi.Output[str]:
        """Return the JDBC URI, without user and password."""
        return pulumi.Output.concat("jdbc:postgresql://", self.host, f":{self.port}/{self.name}", self._parameters())

    def uri(self) -> pulumi.Output[str]:
        """Return the libpq connection URI with its password, a secret. Derived passwords need no quoting."""
        password: pulumi.Output[str] = pulumi.Output.secret(self.password)
        place = f":{self.port}/{self.name}{self._parameters()}"
        return pulumi.Output.concat(f"postgresql://{self.user}:", password, "@", self.host, place)

    def _parameters(self) -> str:
        parameters = "&".join(f"{name}={value}" for name, value in self._tls().items())
        return f"?{parameters}" if parameters else ""

    def _tls(self) -> dict[str, str]:
        """Return the parameters about TLS, which libpq and the JDBC driver call the same."""
        mode = {} if self.sslmode is None else {"sslmode": str(self.sslmode)}
        trusted = {} if self.authorities is None else {"sslrootcert": f"{DATABASE_TRUST}/{DATABASE_AUTHORITIES}"}
        return mode | trusted


def shop_environment(source: Database | None) -> dict[str, pulumi.Input[str]]:
    """Return the variables of the source database, without its password."""
    if source is None:
        return {}
    return {
        "SHOP_HOST": source.host,
        "SHOP_PORT": str(source.port),
        "SHOP_DATABASE": source.name,
        "SHOP_USER": source.user,
        **({} if source.sslmode is None else {"SHOP_SSLMODE": source.sslmode}),
    }


@dataclass(frozen=True)
class QueryEngine:
    """Trino, as its clients see it.

    passwords: user → password, empty where nobody logs in and everything is plain HTTP. certificate: the ConfigMap
    whose key TRINO_CERTIFICATE holds what clients trust, beside passwords.
    """

    host: str
    port: int
    catalog: str = LAKE
    ready: tuple[pulumi.Resource, ...] = ()
    passwords: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    certificate: str | None = None

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "http" if self.certificate is None else "https"

    def environment(self) -> dict[str, str]:
        """Return what clients need beyond host and port: nothing, or the scheme and the certificate's path."""
        if self.certificate is None:
            return {}
        return {"TRINO_HTTP_SCHEME": self.scheme, "TRINO_CA": f"{TRINO_TRUST}/{TRINO_CERTIFICATE}"}

    def secret_values(self, user: str) -> dict[str, pulumi.Output[str]]:
        """Return what a Secret of the client holds: its password under `trino-password`, or nothing."""
        return {"trino-password": self.passwords[user]} if self.passwords else {}
