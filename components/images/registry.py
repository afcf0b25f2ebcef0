"""What an image registry contains: requests to the OCI distribution API."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPMessage

MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
# Where the images of Docker Hub are served.
HOSTS = {"docker.io": "registry-1.docker.io"}


@dataclass(frozen=True)
class Index:
    """An image of several platforms. digest: of its bytes. platforms: such as linux/arm64."""

    digest: str
    platforms: frozenset[str]


def digest_of(host: str, repository: str, reference: str, *, insecure: bool, timeout: float = 10) -> str | None:
    """Return the digest (`sha256:…`) of a tag or digest; None when the registry does not have it.

    Raises OSError when the registry does not answer, or answers with another error than 404.
    """
    try:
        headers, _ = _ask("HEAD", host, repository, reference, insecure=insecure, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    return str(headers["Docker-Content-Digest"])


def index_of(image: str, *, insecure: bool = False, timeout: float = 10) -> Index:
    """Return what a public registry has under `host/path:tag` now; one platform's image has no platforms here.

    Raises OSError when the registry does not answer or does not have it.
    """
    host, _, rest = image.partition("/")
    repository, _, tag = rest.rpartition(":")
    _, body = _ask("GET", HOSTS.get(host, host), repository, tag, insecure=insecure, timeout=timeout)
    platforms = [each.get("platform", {}) for each in json.loads(body).get("manifests", [])]
    names = frozenset(f"{each.get('os')}/{each.get('architecture')}" for each in platforms)
    return Index(f"sha256:{hashlib.sha256(body).hexdigest()}", names)


def labels_of(host: str, repository: str, tag: str, *, insecure: bool, timeout: float = 10) -> dict[str, str] | None:
    """Return the labels of an image of one platform; None when the registry does not have it.

    Raises OSError when the registry does not answer, or answers with another error than 404.
    """
    try:
        _, manifest = _ask("GET", host, repository, tag, insecure=insecure, timeout=timeout)
        digest = json.loads(manifest)["config"]["digest"]
        _, config = _ask("GET", host, repository, digest, part="blobs", insecure=insecure, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    labels: dict[str, str] = json.loads(config)["config"].get("Labels") or {}
    return labels


def _ask(
    method: str, host: str, repository: str, reference: str, *, insecure: bool, timeout: float, part: str = "manifests"
) -> tuple[HTTPMessage, bytes]:
    """Return headers and body of a manifest or blob, with the anonymous token that a public registry asks for."""
    scheme = "http" if insecure else "https"
    # A registry on this machine is never behind the proxy that the environment may name.
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if insecure else []))
    request = urllib.request.Request(  # noqa: S310 - the scheme is one of two
        f"{scheme}://{host}/v2/{repository}/{part}/{reference}", method=method, headers={"Accept": MANIFESTS}
    )
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.headers, response.read()
    except urllib.error.HTTPError as error:
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', error.headers.get("WWW-Authenticate", "")))
        realm = challenge.pop("realm", "")
        if error.code != 401 or not realm.startswith(f"{scheme}://"):
            raise
        error.close()
    asked = f"{realm}?{urllib.parse.urlencode({'scope': f'repository:{repository}:pull', **challenge})}"
    with opener.open(asked, timeout=timeout) as response:
        token = json.load(response)["token"]
    # Not for whoever the registry may send us on to.
    request.add_unredirected_header("Authorization", f"Bearer {token}")
    with opener.open(request, timeout=timeout) as response:
        return response.headers, response.read()
