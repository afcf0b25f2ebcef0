"""What the image registry has: two questions of the OCI distribution API."""

from __future__ import annotations

import urllib.error
import urllib.request

MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def digest_of(host: str, repository: str, reference: str, *, insecure: bool, timeout: float = 10) -> str | None:
    """Return the digest (`sha256:…`) of a tag or digest; None when the registry does not have it.

    Raises OSError when the registry does not answer, or answers with another error than 404.
    """
    scheme = "http" if insecure else "https"
    request = urllib.request.Request(  # noqa: S310 - the scheme is one of two
        f"{scheme}://{host}/v2/{repository}/manifests/{reference}", method="HEAD", headers={"Accept": MANIFESTS}
    )
    # A registry on this machine is never behind the proxy that the environment may name.
    handlers = [urllib.request.ProxyHandler({})] if insecure else []
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as response:
            return str(response.headers["Docker-Content-Digest"])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
