"""Builds are keyed by everything that decides them; packages and Go are looked for before they are fetched."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from localstack.home import Home
from localstack.registry import bases, server
from localstack.toolchain import builds, golang, packages, pulumi
from localstack.toolchain.versions import MODULES, Build, versions

PINS = versions()


@pytest.mark.parametrize("build", PINS.builds, ids=lambda build: build.name)
def test_every_build_has_its_locked_module(build: Build) -> None:
    assert (MODULES / build.module / "go.mod").exists()
    assert (MODULES / build.module / "go.sum").stat().st_size > 0
    assert set(build.on_path) <= {*build.binaries, *build.links, *(Path(name).name for name in build.copies)}


def test_the_key_follows_pins_sources_and_the_go_version(tmp_path: Path) -> None:
    build = PINS.build("pulumi")
    shutil.copytree(MODULES / build.module, tmp_path / build.module)
    key = build.key("1.26.8", tmp_path)
    assert key == build.key("1.26.8", tmp_path)
    assert key != build.key("1.26.9", tmp_path)
    assert key != replace(build, version_variables={"Version": "v3.260.0"}).key("1.26.8", tmp_path)
    with (tmp_path / build.module / "go.sum").open("a") as sums:
        sums.write("example.com/added v1.0.0 h1:x=\n")
    assert key != build.key("1.26.8", tmp_path)


def test_estimates_do_not_rebuild() -> None:
    build = PINS.build("pulumi")
    assert build.key("1.26.8") == replace(build, cpu_minutes=99, download_mb=1).key("1.26.8")


def test_a_bases_key_follows_its_packages_and_go_only_where_go_is_in_it() -> None:
    by_name = {base.name: base for base in PINS.bases}
    assert by_name["python"].key("1") == by_name["python"].key("2")
    assert by_name["golang"].key("1") != by_name["golang"].key("2")
    changed = replace(by_name["python"], packages=(*by_name["python"].packages, "curl"))
    assert changed.key("1") != by_name["python"].key("1")


def test_go_builds_never_change_their_lock() -> None:
    command = builds.go_build_command(Path("go"), PINS.build("kubernetes"), "./cmd/pause", Path("out"))
    assert "-mod=readonly" in command
    assert "-trimpath" in command


def test_linker_flags_set_each_variable_in_each_package() -> None:
    flags = PINS.build("kubernetes").linker_flags()
    assert "-X k8s.io/client-go/pkg/version.gitVersion=v1.34.3" in flags
    assert "-X k8s.io/component-base/version.gitMinor=34" in flags


def test_pinned_versions_are_the_ones_that_are_built() -> None:
    assert f"v{PINS.kubernetes}" in PINS.build("kubernetes").linker_flags()
    assert f"v{PINS.pulumi.version}" in PINS.build("pulumi").linker_flags()
    assert PINS.pulumi.kubernetes_provider in PINS.build("pulumi-kubernetes").linker_flags()
    requirements = (MODULES / "kubernetes/go.mod").read_text()
    assert f"k8s.io/kubernetes v{PINS.kubernetes}" in requirements
    assert f"go.etcd.io/etcd/server/v3 v{PINS.etcd}" in requirements


def test_leftovers_of_ended_builds_go_and_running_ones_stay(tmp_path: Path) -> None:
    import os

    for name in (".partial-pulumi-999999999", f".partial-pulumi-{os.getpid()}"):
        (tmp_path / name).mkdir()
    builds.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".partial-pulumi-{os.getpid()}"]


def test_pruning_removes_other_pins_of_the_same_build_only(tmp_path: Path) -> None:
    home, build = Home(tmp_path), PINS.build("pulumi")
    kept = builds.folder(home, build)
    other = PINS.build("pulumi-kubernetes")
    for folder in (kept, kept.with_name("pulumi-0123456789abcdef"), builds.folder(home, other)):
        folder.mkdir(parents=True)
    builds.prune(home, build)
    assert {path.name for path in kept.parent.iterdir()} == {kept.name, builds.folder(home, other).name}


@pytest.mark.parametrize(
    ("text", "numbers"), [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("v3.259.0", (3, 259, 0)), ("none", ())]
)
def test_versions_are_compared_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert golang.parse_version(text) == numbers


def test_a_package_is_missing_only_without_its_marker(tmp_path: Path) -> None:
    marker = tmp_path / "there"
    marker.touch()
    wanted = {"a": str(marker), "b": str(tmp_path / "not-there"), "c": "bin:sh", "d": "bin:no-such-command-anywhere"}
    assert packages.missing(wanted) == ("b", "d")


def test_what_was_added_is_remembered(tmp_path: Path) -> None:
    """`make destroy` that leaves packages behind, or purges the machine's own."""
    home = Home(tmp_path)
    assert packages.installed_by_us(home) == ()
    home.create()
    packages.installed_file(home).write_text("buildah\nskopeo\n")
    assert packages.installed_by_us(home) == ("buildah", "skopeo")


def test_base_arguments_are_public_or_local_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = f"sha256:{'a' * 64}"
    monkeypatch.setattr("localstack.registry.bases.registry.digest_of", lambda *_args, **_options: digest)
    monkeypatch.setenv("HEADWATER_BASE_IMAGES", "public")
    assert bases.base_arguments(Home(tmp_path))["PYTHON_IMAGE"].startswith("docker.io/library/python@sha256:")
    monkeypatch.setenv("HEADWATER_BASE_IMAGES", "local")
    assert set(bases.base_arguments(Home(tmp_path))) == {"PYTHON_IMAGE", "JAVA_IMAGE", "DEBIAN_IMAGE", "GO_IMAGE"}
    local = bases.base_arguments(Home(tmp_path))["JAVA_IMAGE"]
    assert local == f"127.0.0.1:5000/base/eclipse-temurin@{digest}"


def test_a_stand_in_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag would be built on instead, whatever it means by then."""
    monkeypatch.setattr("localstack.registry.bases.registry.digest_of", lambda *_args, **_options: None)
    monkeypatch.setenv("HEADWATER_BASE_IMAGES", "local")
    with pytest.raises(RuntimeError, match=r"has no base/\S+: `make up` makes it"):
        bases.base_arguments(Home(tmp_path))


def test_another_choice_of_base_images_is_refused_with_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWATER_BASE_IMAGES", "mirror")
    with pytest.raises(RuntimeError, match="'mirror': allowed are public and local"):
        bases.base_arguments(Home(tmp_path))


def test_the_registry_listens_on_loopback_only(tmp_path: Path) -> None:
    assert '"addr": "127.0.0.1:5000"' in server.render_config(Home(tmp_path))


def test_the_built_cli_has_its_helpers_beside_it_and_not_on_path(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    for name, files in {"pulumi": ["pulumi"], pulumi.HOST: list(pulumi.HELPERS)}.items():
        folder = builds.folder(home, PINS.build(name))
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).write_text(file)
    (home.bin / pulumi.HOST).write_text("from an older version")
    pulumi.link_built(home)
    assert [path.name for path in home.bin.iterdir()] == ["pulumi"]
    beside = (home.bin / "pulumi").resolve().parent
    assert {path.name for path in beside.iterdir()} == {"pulumi", *pulumi.HELPERS}


@pytest.mark.parametrize(("version", "taken"), [("v3.259.0", True), ("v3.229.9", False)])
def test_an_installed_pulumi_is_taken_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    for name in ("pulumi", pulumi.HOST):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = pulumi.official_cli(Home(tmp_path / "home"))
    assert (found is not None) == taken
