"""Builds one image with the buildah CLI and pushes it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from components.images import context, registry

# Two cores build two images in the time of one after another, three at once only take more memory.
PARALLEL_BUILDS = 2
OPEN_FILES = 20000
TRUST_FILE = "ca-certificates.crt"
_slots = threading.BoundedSemaphore(PARALLEL_BUILDS)


class BuildFailed(Exception):
    """An image could not be built or pushed; the message says which, why, where the log is and how to go on."""


@dataclass(frozen=True)
class Build:
    """One image to build.

    host, repository: where it goes. directories: folders of pipeline_code/ in its context. trust: a folder of CA
    certificates laid over /etc/ssl/certs while it builds, or None. platforms: what it is built for.
    """

    name: str
    host: str
    repository: str
    directories: tuple[str, ...]
    arguments: Mapping[str, str] = field(default_factory=dict)
    trust: str | None = None
    insecure: bool = False
    platforms: tuple[str, ...] = ("linux/amd64",)

    @property
    def content_hash(self) -> str:
        """The hash of all that decides what comes out."""
        return context.content_hash(f"{self.name}/Dockerfile", self.directories, self.arguments, self.platforms)

    @property
    def tag(self) -> str:
        """The tag: 16 digits of the content hash."""
        return self.content_hash[:16]


def build_and_push(build: Build) -> str:
    """Return the pushed image's digest. Builds only what the registry does not have. Raises BuildFailed."""
    present = digest(build, build.tag)
    if present is not None:
        return present
    log = log_folder() / f"build-{build.name}.log"
    with _slots, tempfile.TemporaryDirectory(prefix=f"headwater-{build.name}-") as scratch, log.open("w") as output:
        folder = Path(scratch)
        context.stage(build.directories, folder / "context")
        environment = {**os.environ, **_environment(build, folder)}
        image = f"{build.host}/{build.repository}:{build.tag}"
        _run(build, "build", build_command(build, folder / "context", image), environment, output)
        _run(build, "push", push_command(image, folder / "digest"), environment, output)
        return (folder / "digest").read_text().strip()


def digest(build: Build, reference: str) -> str | None:
    """Return the digest that the registry has for a tag or digest of the image, or None. Raises BuildFailed."""
    try:
        return registry.digest_of(build.host, build.repository, reference, insecure=build.insecure)
    except OSError as error:
        raise BuildFailed(
            f"image {build.name}: the registry {build.host} does not answer ({error}); "
            "`make up` starts the local one, headwater:images.registry names another"
        ) from error


def build_command(build: Build, folder: Path, image: str) -> list[str]:
    """Return the command that builds the image from the staged context."""
    command = ["buildah", *store_options(), "build", "--file", str(folder / build.name / "Dockerfile"), "--tag", image]
    # One time stamp for all files: the same context gives the same digest. Layers: what did not change is kept.
    command += ["--layers", "--timestamp", "0", "--format", "oci", "--ulimit", f"nofile={OPEN_FILES}:{OPEN_FILES}"]
    for name, value in sorted(build.arguments.items()):
        command += ["--build-arg", f"{name}={value}"]
    if build.trust is not None:
        command += ["--volume", f"{build.trust}:/etc/ssl/certs:O"]
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
            command += ["--build-arg", f"{name}=/etc/ssl/certs/{TRUST_FILE}"]
    return [*command, str(folder)]


def push_command(image: str, digest_file: Path) -> list[str]:
    """Return the command that pushes the image and writes its digest to a file."""
    command = ["buildah", *store_options(), "push", "--digestfile", str(digest_file)]
    # zstd at its lowest level is several times faster than gzip, and all of containerd, Docker and ECR read it.
    command += ["--compression-format", "zstd", "--compression-level", "1"]
    return [*command, image, f"docker://{image}"]


def store_options(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return where buildah keeps its layers: below HEADWATER_HOME, which is removed in one go, else its own place.

    What it notes about mounts must not outlive the boot, so that is in /run.
    """
    home = environment.get("HEADWATER_HOME")
    if home is None:
        return []
    run = Path("/run") if os.getuid() == 0 else Path(environment.get("XDG_RUNTIME_DIR", tempfile.gettempdir()))
    return ["--root", f"{home}/cache/images/layers", "--runroot", str(run / "headwater-buildah")]


def log_folder() -> Path:
    """Return the folder for build logs: logs/ of HEADWATER_HOME, else headwater-logs/ of the temporary folder."""
    home = os.environ.get("HEADWATER_HOME")
    folder = Path(tempfile.gettempdir()) / "headwater-logs" if home is None else Path(home) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _environment(build: Build, folder: Path) -> dict[str, str]:
    """Return what buildah's environment has beside ours: a registry on loopback may speak plain HTTP, no other."""
    lines = ['unqualified-search-registries = ["docker.io"]']
    if build.insecure:
        lines += ["[[registry]]", f'location = "{build.host}"', "insecure = true"]
    registries = folder / "registries.conf"
    registries.write_text("\n".join(lines) + "\n")
    variables = {"CONTAINERS_REGISTRIES_CONF": str(registries)}
    home = os.environ.get("HEADWATER_HOME")
    if home is not None:
        # The caches that RUN --mount=type=cache asks for are below it.
        scratch = Path(home) / "cache" / "images" / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        variables["TMPDIR"] = str(scratch)
    return variables


def _run(build: Build, step: str, command: list[str], environment: Mapping[str, str], output: TextIO) -> None:
    log = Path(output.name)
    output.write(f"$ {' '.join(command)}\n")
    output.flush()
    try:
        result = subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        raise BuildFailed(f"image {build.name}: {command[0]} can't be started: {error}") from error
    if result.returncode != 0:
        tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        raise BuildFailed(
            f"image {build.name}: `buildah {step}` exited {result.returncode}:\n{tail}\n"
            f"  full log: {log}\n  when it is mended, `pulumi up` goes on here"
        )
