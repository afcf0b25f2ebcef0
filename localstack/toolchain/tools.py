"""The tools that the local platform needs on this machine: lists missing ones (`plan`), installs them (`ensure`)."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from localstack.console import Console
from localstack.home import Home, external_context
from localstack.toolchain import builds, packages, pulumi
from localstack.toolchain.golang import compile_cache, find_go
from localstack.toolchain.versions import Build, versions

PACKAGE_S = 3
"""Seconds that one more Debian package with its dependencies takes, measured on 2 cores."""
GO_MB = 140
"""Download of the Go tool chain, as wheel or as module."""


@dataclass(frozen=True)
class Item:
    """One tool: `action` is "present", "link", "install" or "build"; sizes and times are of what is still to do."""

    name: str
    action: str
    download_mb: int = 0
    estimate_s: float = 0


def wanted_packages() -> dict[str, str]:
    """Debian packages with their markers: those for images, and those of the cluster where it is made here."""
    wanted = dict(versions().image_packages)
    if external_context() is None:
        wanted |= versions().cluster_packages
    return wanted


def wanted_builds(home: Home) -> tuple[Build, ...]:
    """The builds that this machine needs, but for the Kubernetes provider."""
    names = [] if external_context() is not None else [build.name for build in versions().builds if build.cluster]
    if external_context() is not None and shutil.which("kubectl", path=pulumi.path_without(home)) is None:
        names.append("kubernetes")
    if pulumi.official_cli(home) is None:
        names += ["pulumi", "pulumi-language-python"]
    return tuple(versions().build(name) for name in names)


def build_seconds(build: Build) -> float:
    """Wall seconds of a build from nothing on this machine; linking and downloads keep one core busy for 20 s."""
    return build.cpu_minutes * 60 / min(os.cpu_count() or 1, 8) + 20


def plan(home: Home) -> list[Item]:
    """Every tool with what has to be done for it; changes nothing."""
    absent = packages.missing(wanted_packages())
    items = [
        Item(name, "install", download_mb=8, estimate_s=PACKAGE_S) if name in absent else Item(name, "present")
        for name in wanted_packages()
    ]
    todo = wanted_builds(home)
    provider = versions().build("pulumi-kubernetes")
    if pulumi.official_cli(home) is not None:
        items.append(Item("pulumi", "link"))
    compiles = [build for build in todo if not builds.is_built(home, build)]
    if not pulumi.plugin_current(home):
        compiles.append(provider)
    if compiles and find_go(home) is None:
        items.append(Item("go", "install", download_mb=GO_MB, estimate_s=30))
    for build in (*todo, provider):
        if build in compiles:
            items.append(Item(build.name, "build", build.download_mb, build_seconds(build)))
        else:
            items.append(Item(build.name, "present"))
    return items


def ensure(home: Home, console: Console) -> None:
    """Get everything that `plan` names; a broken-off run is continued by the next."""
    home.create()
    with console.step("Debian packages", estimate_s=PACKAGE_S * len(packages.missing(wanted_packages()))) as step:
        if packages.missing(wanted_packages()):
            packages.install(home, wanted_packages(), step)
        else:
            step.skip("all there")
    for build in wanted_builds(home):
        with console.step(f"Build {build.name}", estimate_s=build_seconds(build)) as step:
            if builds.is_built(home, build):
                step.skip("is built")
            else:
                builds.make(home, build, step)
            builds.link_outputs(home, build)
    cli = pulumi.official_cli(home)
    if cli is not None:
        pulumi.link_official(home, cli)
    else:
        pulumi.link_built(home)
    if not (home.bin / "kubectl").exists():
        found = shutil.which("kubectl", path=pulumi.path_without(home))
        if found is not None:
            builds.link(home, Path(found), "kubectl")
    with console.step(
        "Pulumi's Kubernetes provider", estimate_s=build_seconds(versions().build("pulumi-kubernetes"))
    ) as step:
        if pulumi.plugin_current(home):
            step.skip("is installed")
        else:
            pulumi.install_plugin(home, step)
    if compile_cache(home).exists():
        shutil.rmtree(compile_cache(home))
