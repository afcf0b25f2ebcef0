"""Trino's containers: the server that clients connect to, and a worker that drains before it stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components import settings
from components.kubernetes import pods
from components.kubernetes.pods import Container, Mount, SecretKey
from components.kubernetes.probes import CommandCheck, HttpCheck, Probes
from components.trino.configuration import DATA, ETC, HTTP_PORT, HTTPS_PORT, KEYSTORE, LOGIN, PASSWORDS, SPILL

SECRET = "trino-credentials"  # noqa: S105 - the object's name
LOGIN_SECRET = "trino-login"  # noqa: S105 - the object's name
# A coordinator only opens the folder; operators that spill run on workers.
COORDINATOR_SPILL = "1Gi"
VARIABLES = {
    "catalog-token": "CATALOG_TOKEN",
    "catalog-credential": "CATALOG_CREDENTIAL",
    "access-key": "S3_ACCESS_KEY",
    "secret-key": "S3_SECRET_KEY",
    "shared-secret": "SHARED_SECRET",
    "node-token": "NODE_TOKEN",
}
READY = (
    f"exec 3<>/dev/tcp/127.0.0.1/{HTTP_PORT} && printf 'GET /v1/info HTTP/1.0\\r\\n\\r\\n' >&3 && "
    "grep -q '\"starting\":false' <&3"
)
# A worker that drained ends by itself, and this with it; it only must not return before. The token is in no argument.
DRAIN = (
    f"exec 3<>/dev/tcp/127.0.0.1/{HTTP_PORT} && printf 'PUT /v1/info/state HTTP/1.0\\r\\nX-Trino-Internal-Bearer: "
    '%s\\r\\nContent-Type: application/json\\r\\nContent-Length: 15\\r\\n\\r\\n"SHUTTING_DOWN"\' "$NODE_TOKEN" >&3 && '
    'read -r _ status _ <&3 && if [ "$status" != 200 ]; then echo "Trino answered $status, not 200"; exit 1; fi && '
    f"while (exec 4<>/dev/tcp/127.0.0.1/{HTTP_PORT}) 2>/dev/null; do sleep 1; done"
)
# /v1/info answers 200 from the first second; only its body tells when queries are served.
PROBES = Probes(ready=CommandCheck(("bash", "-c", READY)), alive=HttpCheck("/v1/info", "http"))


def server(
    image: pulumi.Input[str], chosen: settings.Trino, files: Mapping[str, str], secret_keys: Sequence[str]
) -> Container:
    """Return the container of the one node, or of the coordinator. secret_keys: those of SECRET that it reads."""
    login = chosen.authentication == "password"
    mounts = _mounts("trino", files)
    if login:
        mounts.append(pods.secret_files(LOGIN, LOGIN_SECRET, [PASSWORDS, KEYSTORE], "login"))
    if chosen.workers.maximum > 0:
        mounts.append(pods.scratch(SPILL, "spill", COORDINATOR_SPILL))
    return Container(
        name="trino",
        image=image,
        size=chosen.size,
        secret_environment=_variables(secret_keys),
        ports={"http": HTTP_PORT, "https": HTTPS_PORT} if login else {"http": HTTP_PORT},
        mounts=mounts,
        probes=PROBES,
    )


def worker(
    image: pulumi.Input[str], chosen: settings.TrinoWorkers, files: Mapping[str, str], secret_keys: Sequence[str]
) -> Container:
    """Return a worker's container."""
    return Container(
        name="trino",
        image=image,
        size=chosen.size,
        secret_environment=_variables(secret_keys),
        ports={"http": HTTP_PORT},
        mounts=[*_mounts("trino-worker", files), pods.scratch(SPILL, "spill", chosen.spill)],
        probes=PROBES,
        pre_stop=("bash", "-c", DRAIN),
    )


def key(path: str) -> str:
    """Return the ConfigMap's key of a file: a key has no slash."""
    return path.replace("/", ".")


def _mounts(config_map: str, files: Mapping[str, str]) -> list[Mount]:
    return [
        pods.config_files(ETC, config_map, {path: key(path) for path in files}),
        pods.scratch(DATA, "data", "4Gi"),
        pods.tmp(),
    ]


def _variables(secret_keys: Sequence[str]) -> dict[str, SecretKey]:
    return {VARIABLES[name]: SecretKey(SECRET, name) for name in secret_keys}
