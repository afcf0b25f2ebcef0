"""Base images: the public ones where a public registry answers, else stand-ins made of Debian packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.images import bases, registry
from localstack.console import Console, Step
from localstack.errors import LocalError
from localstack.home import Home
from localstack.images import ImageConfig, layer, write_archive
from localstack.mounts import unmount_below
from localstack.process import ask
from localstack.registry.server import ADDRESS
from localstack.toolchain.golang import go_root
from localstack.toolchain.versions import Base, versions

KEY_LABEL = "io.headwater.base.key"
PROBE_S = 6


def local_reference(base: Base) -> str:
    """Where the stand-in is served, as 127.0.0.1:5000/base/python:3.11-slim-bookworm."""
    return f"{ADDRESS}/base/{base.public}"


def base_arguments(home: Home) -> dict[str, str]:
    """Build arguments of the Dockerfiles, as {"PYTHON_IMAGE": host/name@sha256:…}: the public images or the stand-ins.

    Raises LocalError when a stand-in is not there.
    """
    if source(home) == "public":
        return {argument: base.reference for argument, base in bases.read().items()}
    return {base.argument: _by_digest(base) for base in versions().bases}


def _by_digest(base: Base) -> str:
    name, _, tag = base.public.partition(":")
    with _answering():
        digest = registry.digest_of(ADDRESS, f"base/{name}", tag, insecure=True)
    if digest is None:
        raise LocalError(f"the registry at {ADDRESS} has no base/{base.public}: `make up` makes it")
    return f"{ADDRESS}/base/{name}@{digest}"


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalError(f"the registry at {ADDRESS} does not answer ({error}): `make up` starts it") from error


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
        return ask(["skopeo", "inspect", "--raw", f"docker://{image}"], timeout=PROBE_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


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
    with _answering():
        labels = registry.labels_of(ADDRESS, f"base/{name}", tag, insecure=True)
    return None if labels is None else labels.get(KEY_LABEL)


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
