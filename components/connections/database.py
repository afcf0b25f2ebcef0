"""What speaks SQL, as its clients see it: PostgreSQL and Trino."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi

from components.connections.storage import LAKE

SslMode = Literal["require", "verify-full"]


@dataclass(frozen=True)
class Database:
    """One PostgreSQL database and the role that uses it.

    host: an output where the server has a name only once it is made. sslmode: libpq's; None leaves it to the client,
    whose default takes TLS where the server offers it.
    """

    host: pulumi.Input[str]
    name: str
    user: str
    password: pulumi.Output[str]
    port: int = 5432
    sslmode: SslMode | None = None
    ready: tuple[pulumi.Resource, ...] = ()

    def libpq_environment(self) -> dict[str, str]:
        """Return libpq's own variables, for clients that connect to this database only."""
        return {} if self.sslmode is None else {"PGSSLMODE": self.sslmode}

    def jdbc_uri(self) -> pulumi.Output[str]:
        """Return the JDBC URI, without user and password."""
        return pulumi.Output.concat("jdbc:postgresql://", self.host, f":{self.port}/{self.name}", self._parameters())

    def uri(self) -> pulumi.Output[str]:
        """Return the libpq connection URI with its password, a secret. Derived passwords need no quoting."""
        password: pulumi.Output[str] = pulumi.Output.secret(self.password)
        place = f":{self.port}/{self.name}{self._parameters()}"
        return pulumi.Output.concat(f"postgresql://{self.user}:", password, "@", self.host, place)

    def _parameters(self) -> str:
        return "" if self.sslmode is None else f"?sslmode={self.sslmode}"


@dataclass(frozen=True)
class QueryEngine:
    """Trino, as its clients see it."""

    host: str
    port: int
    catalog: str = LAKE
    ready: tuple[pulumi.Resource, ...] = ()
