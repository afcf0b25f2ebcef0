"""Pulumi: the official CLI if the machine has one, else a built one; and its Kubernetes provider plugin."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from localstack.console import Step
from localstack.errors import LocalError, StepFailed
from localstack.home import Home
from localstack.process import ask
from localstack.toolchain import builds
from localstack.toolchain.golang import parse_version
from localstack.toolchain.versions import versions

HOST = "pulumi-language-python"
HELPERS = (HOST, "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


def path_without(home: Home) -> str:
    """This process's PATH without HOME/bin, so that only what the machine itself has is found."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if Path(folder) != home.bin)


def official_cli(home: Home) -> Path | None:
    """An installed Pulumi CLI that is new enough and has the Python host beside it or on PATH, or None."""
    path = path_without(home)
    found = shutil.which("pulumi", path=path)
    if found is None:
        return None
    cli = Path(found).resolve()
    if not (cli.parent / HOST).exists() and shutil.which(HOST, path=path) is None:
        return None
    reply = ask([cli, "version"], env=home.environment())
    new_enough = parse_version(reply.stdout) >= parse_version(versions().pulumi.minimum)
    return cli if reply.returncode == 0 and new_enough else None


def link_official(home: Home, cli: Path) -> None:
    """Link an official CLI into HOME/bin, and those of its helpers that are not beside it."""
    builds.link(home, cli, "pulumi")
    for helper in HELPERS:
        found = None if (cli.parent / helper).exists() else shutil.which(helper, path=path_without(home))
        if found is None:
            (home.bin / helper).unlink(missing_ok=True)
        else:
            builds.link(home, Path(found), helper)


def link_built(home: Home) -> None:
    """Put the built CLI and its helpers into one folder and link the CLI.

    Pulumi takes helpers from beside itself without a word; helpers that it finds on PATH it warns of at every run.
    """
    parts = [builds.folder(home, versions().build(name)) for name in ("pulumi", HOST)]
    together = home.cache / "toolchain" / f"cli-{'-'.join(part.name.rpartition('-')[2] for part in parts)}"
    if not together.is_dir():
        partial = together.with_name(f".partial-cli-{os.getpid()}")
        partial.mkdir()
        for part in parts:
            for file in part.iterdir():
                os.link(file, partial / file.name)
        partial.rename(together)
    builds.link(home, together / "pulumi", "pulumi")
    for helper in HELPERS:
        (home.bin / helper).unlink(missing_ok=True)
    for other in together.parent.glob("cli-*"):
        if other != together:
            shutil.rmtree(other)


def plugin_folder(home: Home) -> Path:
    """Where Pulumi keeps the installed provider."""
    return home.pulumi / "plugins" / f"resource-kubernetes-v{versions().pulumi.kubernetes_provider}"


def plugin_origin(home: Home) -> Path:
    """File that says where the installed provider came from: the build's key, or `download`."""
    return home.pulumi / "kubernetes-provider"


def plugin_current(home: Home) -> bool:
    """Whether the provider of these pins is installed."""
    origin = plugin_origin(home)
    if not origin.exists() or not (plugin_folder(home) / "pulumi-resource-kubernetes").exists():
        return False
    key = versions().build("pulumi-kubernetes").key(versions().go.version)
    return origin.read_text().strip() in {key, "download"}


def install_plugin(home: Home, step: Step) -> None:
    """Install the provider into PULUMI_HOME: downloaded by an official CLI, else built.

    Raises LocalError when Pulumi does not have it afterwards.
    """
    version = versions().pulumi.kubernetes_provider
    install: list[str | Path] = [
        home.bin / "pulumi",
        "plugin",
        "install",
        "resource",
        "kubernetes",
        version,
        "--reinstall",
    ]
    home.pulumi.mkdir(parents=True, exist_ok=True)
    origin = "download"
    if official_cli(home) is None or not _downloaded(install, home, step):
        build = versions().build("pulumi-kubernetes")
        if not builds.is_built(home, build):
            builds.make(home, build, step)
        step.update("install")
        binary = builds.folder(home, build) / "pulumi-resource-kubernetes"
        step.run([*install, "--file", binary], env=home.environment())
        origin = build.key(versions().go.version)
    if not (plugin_folder(home) / "pulumi-resource-kubernetes").exists():
        raise LocalError(f"the Kubernetes provider {version} is not in {plugin_folder(home)} after its installation")
    plugin_origin(home).write_text(f"{origin}\n")


def _downloaded(install: list[str | Path], home: Home, step: Step) -> bool:
    """Whether the CLI could download the provider from Pulumi's site."""
    step.update("download")
    try:
        step.run(install, env=home.environment())
    except StepFailed as failure:
        step.update(f"Pulumi's site does not give the provider, it is built instead ({failure.reason.splitlines()[0]})")
        return False
    return True
