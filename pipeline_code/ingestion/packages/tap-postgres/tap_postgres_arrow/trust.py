"""Which authority must have signed a server's certificate, if `sslmode` asks for it (verify-ca, verify-full)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import certifi

from tap_postgres_arrow.engine import SourceError

VARIABLE = "PGSSLROOTCERT"
"""libpq's own variable: the engine's postgres extension has libpq in it, and each of its connections reads it."""
SYSTEM = "system"
"""libpq's word for the public authorities; here those of Mozilla's list, which certifi carries."""


def trust(config: Mapping[str, Any]) -> None:
    """Have this process's connections check certificates by the setting `sslrootcert`: a PEM file, or `system`.

    Without the setting libpq's own rules hold: the variable, or ~/.postgresql/root.crt. Raises SourceError for a file
    that can't be read, which libpq would only say after it has connected, or not at all.
    """
    chosen = config.get("sslrootcert")
    if not chosen:
        return
    path = Path(certifi.where() if chosen == SYSTEM else chosen)
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"sslrootcert={str(path)!r} can't be read: {error}") from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise SourceError(f"sslrootcert={str(path)!r} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
    os.environ[VARIABLE] = str(path)
