"""The certificate authorities of RDS, with which clients verify the database's certificate."""

from __future__ import annotations

from pathlib import Path

import pulumi
from cryptography import x509

# Above it Kubernetes takes no ConfigMap; AWS's bundle of all regions has 165 KB.
LARGEST_BYTES = 1024 * 1024
SOURCE = "https://truststore.pki.rds.amazonaws.com/<region>/<region>-bundle.pem"


def bundle(file: str) -> str:
    """Return the text of a PEM file of certificates. Raises pulumi.RunError that names the setting and the way out."""
    place = f"headwater:database.ca_bundle: {file!r}"
    try:
        text = Path(file).read_text(encoding="ascii")
    except OSError as error:
        raise pulumi.RunError(f"{place} can't be read ({error.strerror}); AWS offers it at {SOURCE}") from error
    except UnicodeDecodeError as error:
        raise pulumi.RunError(f"{place} is no PEM file; AWS offers it at {SOURCE}") from error
    if len(text) > LARGEST_BYTES:
        raise pulumi.RunError(
            f"{place} has {len(text)} bytes; a ConfigMap takes {LARGEST_BYTES}: use the region's bundle"
        )
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise pulumi.RunError(f"{place} holds no certificates ({error}); AWS offers it at {SOURCE}") from error
    return text
