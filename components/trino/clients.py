"""What a client of Trino mounts."""

from __future__ import annotations

from components.connections import TRINO_CERTIFICATE, TRINO_TRUST, QueryEngine
from components.kubernetes import pods
from components.kubernetes.pods import Mount


def certificate_mounts(engine: QueryEngine) -> list[Mount]:
    """Return the mount of the certificate that clients trust; none where Trino speaks plain HTTP."""
    if engine.certificate is None:
        return []
    files = {TRINO_CERTIFICATE: TRINO_CERTIFICATE}
    return [pods.config_files(TRINO_TRUST, engine.certificate, files, name="trino-certificate")]
