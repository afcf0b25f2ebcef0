"""Reads versions.toml, the only file with local pins, into typed data."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from components.images.bases import read as read_bases

HERE = Path(__file__).parent
MODULES = HERE / "modules"


NOT_IN_KEY = {"cpu_minutes", "download_mb", "cluster", "on_path"}
"""Fields of a build that change nothing in its outputs."""


@dataclass(frozen=True)
class Go:
    """The Go tool chain that compiles everything, and the wheel that brings a first Go."""

    version: str
    minimum: str
    wheel: str
    wheel_sha256: tuple[str, ...]


@dataclass(frozen=True)
class Pulumi:
    """Pulumi: the CLI that is built, the oldest that is taken as found, and the provider plugin."""

    version: str
    minimum: str
    kubernetes_provider: str


@dataclass(frozen=True)
class Build:
    """One Go build: outputs by name with their Go package, linker variables, files that the modules ship."""

    name: str
    module: str
    binaries: Mapping[str, str]
    cpu_minutes: float
    download_mb: int
    cluster: bool = False
    on_path: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    version_variables: Mapping[str, str] = field(default_factory=dict)
    version_packages: tuple[str, ...] = ()
    copies_from: str | None = None
    copies: tuple[str, ...] = ()
    embeds_from: str | None = None
    embeds: tuple[str, ...] = ()

    def linker_flags(self) -> str:
        """Value of `go build -ldflags`: no debug tables, version variables set in each of the packages."""
        variables = [
            f"-X {package}.{name}={value}"
            for package in self.version_packages
            for name, value in self.version_variables.items()
        ]
        return " ".join(["-s -w", *variables])

    def key(self, go_version: str, modules: Path = MODULES) -> str:
        """16 hexadecimal digits over everything that decides the outputs: these pins, the sources, the Go version."""
        pins = {key: value for key, value in asdict(self).items() if key not in NOT_IN_KEY}
        digest = hashlib.sha256(json.dumps([pins, go_version], sort_keys=True).encode())
        folder = modules / self.module
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"\0{source.relative_to(folder)}\0".encode())
            digest.update(source.read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Base:
    """One stand-in for a public base image: a Debian suite, packages, hooks of mmdebstrap, how it runs.

    public: the last part of the public image's name, with its tag, from pipeline_code/bases.toml.
    """

    name: str
    argument: str
    public: str
    suite: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    revision: int
    setup: tuple[str, ...] = ()
    customize: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    go: bool = False

    def key(self, go_version: str) -> str:
        """16 hexadecimal digits over what decides the image; the Go version counts only where Go is in it."""
        pins = [asdict(self), go_version if self.go else None]
        return hashlib.sha256(json.dumps(pins, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Versions:
    """All pins of the local tool chain."""

    go: Go
    pulumi: Pulumi
    kubernetes: str
    etcd: str
    builds: tuple[Build, ...]
    image_packages: Mapping[str, str]
    cluster_packages: Mapping[str, str]
    system_images: Mapping[str, str]
    bases: tuple[Base, ...]

    def build(self, name: str) -> Build:
        """The build of that name; KeyError when versions.toml has none."""
        return {build.name: build for build in self.builds}[name]


def parse(text: str) -> Versions:
    """Parse versions.toml; an unknown or missing key raises TypeError or KeyError with its name."""
    document = tomllib.loads(text)
    public = {argument: base.name for argument, base in read_bases().items()}
    stand_ins = {name: {**table, "public": public[table["argument"]]} for name, table in document["bases"].items()}
    return Versions(
        go=Go(**_frozen(document["go"])),
        pulumi=Pulumi(**_frozen(document["pulumi"])),
        kubernetes=document["kubernetes"]["version"],
        etcd=document["kubernetes"]["etcd"],
        builds=tuple(Build(name=name, **_frozen(table)) for name, table in document["builds"].items()),
        image_packages=document["packages"]["images"],
        cluster_packages=document["packages"]["cluster"],
        system_images=document["system_images"],
        bases=tuple(Base(name=name, **_frozen(table)) for name, table in stand_ins.items()),
    )


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with its lists as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


@cache
def versions() -> Versions:
    """The pins of this checkout."""
    return parse((HERE / "versions.toml").read_text())
