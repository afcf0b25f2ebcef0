"""What ingestion needs from its surroundings; values come from the environment when a run or a sensor needs them."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from headwater_dagster.jobs.api import JobApi, KubernetesJobApi


class IngestionJobs(dg.ConfigurableResource[Any]):
    """Where ingestion runs: the namespace, and the suspended CronJob that holds its template."""

    namespace: str
    cron_job: str = "ingestion"

    def api(self) -> JobApi:
        """Return the Kubernetes API of the namespace."""
        return KubernetesJobApi(self.namespace)


def login(user: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a connection to Trino takes beside host and port: nothing, or HTTPS with a password.

    TRINO_HTTP_SCHEME=https asks for a login, with TRINO_PASSWORD and the certificate in the file TRINO_CA. Raises
    KeyError when one of these is not set.
    """
    if environment.get("TRINO_HTTP_SCHEME", "http") == "http":
        return {}
    import trino

    auth = trino.auth.BasicAuthentication(user, environment["TRINO_PASSWORD"])
    return {"http_scheme": "https", "auth": auth, "verify": environment["TRINO_CA"]}


class Lake(dg.ConfigurableResource[Any]):
    """The query engine and its catalog."""

    host: str
    port: str
    user: str
    catalog: str

    def query(self, statement: str) -> list[list[Any]]:
        """Return the rows of one statement."""
        import trino

        with trino.dbapi.connect(  # type: ignore[no-untyped-call]
            host=self.host,
            port=int(self.port),
            user=self.user,
            catalog=self.catalog,
            source="dagster",
            **login(self.user, os.environ),
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            rows: list[list[Any]] = cursor.fetchall()
            return rows


@dataclasses.dataclass(frozen=True)
class Shop:
    """Connection to the shop's database, with a role that can only read.

    sslmode: libpq's, its own default here: PGSSLMODE in the environment is meant for Dagster's database.
    """

    host: str
    port: str
    database: str
    user: str
    password: str
    sslmode: str = "prefer"

    @classmethod
    def from_environment(cls) -> "Shop | None":
        """Return the shop of SHOP_*, None where no source is set up; KeyError when it is set up by half."""
        if "SHOP_HOST" not in os.environ:
            return None
        names = ("SHOP_HOST", "SHOP_PORT", "SHOP_DATABASE", "SHOP_USER", "SHOP_PASSWORD")
        host, port, database, user, password = (os.environ[name] for name in names)
        return cls(host, port, database, user, password, os.environ.get("SHOP_SSLMODE", "prefer"))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of one statement, which may take five seconds."""
        import psycopg2

        connection = psycopg2.connect(
            host=self.host,
            port=self.port,
            dbname=self.database,
            user=self.user,
            password=self.password,
            sslmode=self.sslmode,
            # Empty: PGSSLROOTCERT is meant for Dagster's database too, and libpq would verify by it in any mode.
            sslrootcert="",
            connect_timeout=5,
            application_name="headwater-sensor",
            options="-c statement_timeout=5000 -c default_transaction_read_only=on",
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                rows: list[tuple[Any, ...]] = cursor.fetchall()
                return rows
        finally:
            connection.close()
