"""Builds pinned Go modules into HOME/cache/toolchain/<name>-<key>/ and links the outputs into HOME/bin."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from localstack.console import Step
from localstack.home import Home
from localstack.process import output
from localstack.toolchain.golang import ensure_go, go_environment, go_root
from localstack.toolchain.versions import MODULES, Build, versions


def folder(home: Home, build: Build) -> Path:
    """Where the outputs of exactly these pins are kept; it exists only when the build is complete."""
    return home.cache / "toolchain" / f"{build.name}-{build.key(versions().go.version)}"


def is_built(home: Home, build: Build) -> bool:
    """Whether the outputs are there."""
    return folder(home, build).is_dir()


def go_build_command(go: Path, build: Build, package: str, target: Path) -> list[str | Path]:
    """The `go build` of one output; -v names each package as progress."""
    return [go, "build", "-v", "-mod=readonly", "-trimpath", "-ldflags", build.linker_flags(), "-o", target, package]


def make(home: Home, build: Build, step: Step) -> None:
    """Build in a folder of its own and rename it at the end, so that a broken-off build leaves nothing behind."""
    target = folder(home, build)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent)
    go = ensure_go(home, step)
    go_root(home, step)
    environment = go_environment(home)
    partial = target.parent / f".partial-{build.name}-{os.getpid()}"
    try:
        module = partial / "module"
        shutil.copytree(MODULES / build.module, module)
        outputs = partial / "out"
        outputs.mkdir()
        step.update("modules")
        if build.embeds_from is not None:
            _copy(_module_folder(go, build.embeds_from, module, environment), build.embeds, module)
        for name, package in build.binaries.items():
            command = go_build_command(go, build, package, outputs / name)
            step.run(["nice", "-n", "5", *command], env=environment, cwd=module)
        if build.copies_from is not None:
            _copy(_module_folder(go, build.copies_from, module, environment), build.copies, outputs)
        first = next(iter(build.binaries))
        for link in build.links:
            (outputs / link).symlink_to(first)
        outputs.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    prune(home, build)


def _module_folder(go: Path, module: str, cwd: Path, environment: Mapping[str, str]) -> Path:
    """Folder of a module's verified sources in the module cache, fetched if needed."""
    # `go mod download` of a module that go.mod requires checks it against go.sum.
    for command in (["mod", "download", module], ["list", "-m", "-f", "{{.Dir}}", module]):
        printed = output([go, *command], failure=f"`go {' '.join(command)}` failed", cwd=cwd, env=environment)
    return Path(printed.strip())


def _copy(source: Path, names: tuple[str, ...], target: Path) -> None:
    """Copy files of a read-only module, executable where they are."""
    for name in names:
        copy = target / Path(name).name
        shutil.copyfile(source / name, copy)
        copy.chmod(0o755 if copy.read_bytes()[:2] == b"#!" else 0o644)


def remove_leftovers(parent: Path) -> None:
    """Remove what builds of processes that no longer exist have left."""
    for partial in parent.glob(".partial-*"):
        if not Path(f"/proc/{partial.name.rpartition('-')[2]}").exists():
            shutil.rmtree(partial)


def prune(home: Home, build: Build) -> None:
    """Remove outputs of the same build with other pins."""
    current = folder(home, build)
    for other in current.parent.glob(f"{build.name}-{'[0-9a-f]' * 16}"):
        if other != current:
            shutil.rmtree(other)


def link(home: Home, target: Path, name: str) -> None:
    """Point HOME/bin/<name> at `target`, in one step."""
    partial = home.bin / f".{name}-{os.getpid()}"
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(home.bin / name)


def link_outputs(home: Home, build: Build) -> None:
    """Put the outputs that users and Pulumi call into HOME/bin."""
    for name in build.on_path:
        link(home, folder(home, build) / name, name)
