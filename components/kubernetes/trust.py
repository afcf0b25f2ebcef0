"""What a client mounts to verify its servers: the certificates of Trino and of the database."""

from __future__ import annotations

from components.connections import (
    DATABASE_AUTHORITIES,
    DATABASE_TRUST,
    TRINO_CERTIFICATE,
    TRINO_TRUST,
    Database,
    QueryEngine,
)
from components.kubernetes import pods
from components.kubernetes.pods import Mount


def authority_mounts(database: Database) -> list[Mount]:
    """Return the mount of the certificates by which a client verifies the database; none where it does not."""
    if database.authorities is None:
        return []
    files = {DATABASE_AUTHORITIES: DATABASE_AUTHORITIES}
    return [pods.config_files(DATABASE_TRUST, database.authorities, files, name="database-authorities")]


def certificate_mounts(engine: QueryEngine) -> list[Mount]:
    """Return the mount of the certificate that Trino's clients trust; none where Trino speaks plain HTTP."""
    if engine.certificate is None:
        return []
    files = {TRINO_CERTIFICATE: TRINO_CERTIFICATE}
    return [pods.config_files(TRINO_TRUST, engine.certificate, files, name="trino-certificate")]
