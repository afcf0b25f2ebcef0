"""Base images: the public ones where a public registry answers, else stand-ins made of Debian packages."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localstack.home import Home
from localstack.images import ImageConfig, layer, write_archive
from localstack.mounts import unmount_below
from localstack.registry.server import ADDRESS, HOST, PORT
from localstack.reporting import Console, LocalError, Step
from localstack.toolchain.golang import go_root
from localstack.toolchain.versions import Base, versions

KEY_LABEL = "io.headwater.base.key"
PROBE_S = 6
MANIFEST_TYPES = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


def local_reference(base: Base) -> str:
    """Where the stand-in is served, as 127.0.0.1:5000/base/python:3.11-slim-bookworm."""
    return f"{ADDRESS}/base/{base.public}"


def base_arguments(home: Home) -> dict[str, str]:
    """Build arguments of the Dockerfiles, as {"PYTHON_IMAGE": reference}: public images or the local stand-ins."""
    public = source(home) == "public"
    return {base.argument: base.public if public else local_reference(base) for base in versions().bases}


def source(home: Home) -> str:
    """ "public" or "local": $HEADWATER_BASE_IMAGES, else what the first probe of a public registry found."""
    chosen = os.environ.get("HEADWATER_BASE_IMAGES")
    record = home.registry / "base-images"
    if chosen is None and record.exists():
        chosen = record.read_text().strip()
    if chosen is None:
        chosen = "public" if public_registry_answers(versions().bases[0].public) else "local"
        home.create()
        record.write_text(f"{chosen}\n")
    if chosen not in {"public", "local"}:
        raise LocalError(f"HEADWATER_BASE_IMAGES={chosen!r}: allowed are public and local")
    return chosen


def public_registry_answers(image: str) -> bool:
    """Whether the manifest of a public image can be had within a few seconds."""
    try:
        probe = subprocess.run(
            ["skopeo", "inspect", "--raw", f"docker://{image}"], capture_output=True, timeout=PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def ensure_bases(home: Home, console: Console) -> None:
    """Have all base images: nothing where public ones are used or the stand-ins are current, else make them."""
    if source(home) == "public":
        with console.step("Base images") as step:
            step.skip("a public registry answers")
        return
    for base in versions().bases:
        with console.step(f"Base image {base.public}", estimate_s=60) as step:
            key = base.key(versions().go.version)
            if served_key(base) == key:
                step.skip("is current")
            else:
                make(home, base, key, step)


def served_key(base: Base) -> str | None:
    """The key that the served stand-in was made with, or None when there is none."""
    name, _, tag = base.public.partition(":")
    manifest = _get(f"/v2/base/{name}/manifests/{tag}")
    if manifest is None:
        return None
    config = _get(f"/v2/base/{name}/blobs/{json.loads(manifest)['config']['digest']}")
    if config is None:
        return None
    labels = json.loads(config)["config"].get("Labels") or {}
    key = labels.get(KEY_LABEL)
    return key if isinstance(key, str) else None


def _get(path: str) -> bytes | None:
    """Body of a document of the registry, None where it has none; raises LocalError when it does not answer."""
    connection = http.client.HTTPConnection(HOST, PORT, timeout=10)
    try:
        connection.request("GET", path, headers={"Accept": MANIFEST_TYPES})
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise LocalError(
            f"the registry at {ADDRESS} does not answer ({error}): `python -m localstack.registry up`"
        ) from error
    finally:
        connection.close()
    return body if response.status == 200 else None


def bootstrap_command(base: Base, target: Path) -> list[str]:
    """The mmdebstrap call that makes the root file system `target` (tar), without documentation and locales."""
    options = [
        "--variant=minbase", "--mode=auto", "--format=tar",
        '--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "locale", "info", "lintian")),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        f"--include={','.join(base.packages)}",
    ]  # fmt: skip
    # Manual pages are removed at the end, their folder is needed on the way (see bases.java).
    hooks = [f"--setup-hook={hook}" for hook in base.setup]
    customize = (*base.customize, 'rm -rf "$1"/usr/share/man/* "$1"/var/cache/debconf/* "$1"/var/log/*.log')
    hooks += [f"--customize-hook={hook}" for hook in customize]
    return ["mmdebstrap", *options, *hooks, base.suite, str(target)]


def make(home: Home, base: Base, key: str, step: Step) -> None:
    """Make one stand-in and push it; everything in between is in a temporary folder that is removed."""
    home.create()
    prefix = f"base-{base.name}-"
    for leftover in home.cache.glob(f"{prefix}*"):
        unmount_below(leftover)
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home.cache) as scratch:
        folder = Path(scratch)
        rootfs = folder / "rootfs.tar"
        step.update("packages")
        # The time stamp makes the layer the same for the same packages.
        environment = home.environment() | {"SOURCE_DATE_EPOCH": "0", "TMPDIR": scratch}
        step.run(["nice", *bootstrap_command(base, rootfs)], env=environment)
        layers: Sequence[Path] = [rootfs, _go_layer(home, folder, step)] if base.go else [rootfs]
        archive = folder / "image.tar"
        config = ImageConfig(command=base.command, environment=base.environment, labels={KEY_LABEL: key})
        write_archive(archive, base.public, layers, config)
        step.update("push")
        step.run(["skopeo", "copy", "--dest-tls-verify=false", "--quiet", f"docker-archive:{archive}",
                  f"docker://{local_reference(base)}"])  # fmt: skip


def _go_layer(home: Home, folder: Path, step: Step) -> Path:
    """Layer with the Go tool chain in /usr/local/go, without its tests and documentation."""
    step.update("Go tool chain")
    root = go_root(home, step)
    target = folder / "go/usr/local/go"
    target.mkdir(parents=True)
    parts = [name for name in ("VERSION", "go.env", "bin", "lib", "pkg", "src") if (root / name).exists()]
    step.run(["cp", "-rL", "--preserve=mode", *(root / name for name in parts), target])
    step.run(["chmod", "-R", "u+w,a+rX", target])
    return layer(folder / "go", folder / "go.tar")
